package main

import (
	"context"
	"fmt"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/receiver"
)

// settings are those of a stand-in: whatever the file has.
type settings struct {
	All map[string]any `mapstructure:",remain"`
}

func anySettings() component.Config { return &settings{} }

// idle is a stand-in at work: it does nothing.
type idle struct {
	component.StartFunc
	component.ShutdownFunc
	consumer.ConsumeMetricsFunc
	consumer.ConsumeLogsFunc
	consumer.ConsumeTracesFunc
}

func (idle) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

const level = component.StabilityLevelDevelopment

// standInsOf makes the stand-ins of a list of kind/type.
func standInsOf(list string) (standIns, error) {
	var made standIns
	for _, name := range strings.Split(list, ",") {
		if name == "" {
			continue
		}
		kind, text, _ := strings.Cut(name, "/")
		of, err := component.NewType(text)
		if err != nil {
			return made, fmt.Errorf("PHOENIX_STAND_INS: %q: %w", name, err)
		}
		switch kind {
		case "receiver":
			made.receivers = append(made.receivers, receiverOf(of))
		case "processor":
			made.processors = append(made.processors, processorOf(of))
		case "exporter":
			made.exporters = append(made.exporters, exporterOf(of))
		case "extension":
			made.extensions = append(made.extensions, extension.NewFactory(of, anySettings,
				func(context.Context, extension.Settings, component.Config) (extension.Extension, error) {
					return idle{}, nil
				}, level))
		case "connector":
			made.connectors = append(made.connectors, connectorOf(of))
		default:
			return made, fmt.Errorf(
				"PHOENIX_STAND_INS: %q begins with no kind; expected receiver, processor, exporter, extension or connector", name)
		}
	}
	return made, nil
}

func receiverOf(of component.Type) receiver.Factory {
	return receiver.NewFactory(of, anySettings,
		receiver.WithMetrics(func(context.Context, receiver.Settings, component.Config, consumer.Metrics) (receiver.Metrics, error) {
			return idle{}, nil
		}, level),
		receiver.WithLogs(func(context.Context, receiver.Settings, component.Config, consumer.Logs) (receiver.Logs, error) {
			return idle{}, nil
		}, level),
		receiver.WithTraces(func(context.Context, receiver.Settings, component.Config, consumer.Traces) (receiver.Traces, error) {
			return idle{}, nil
		}, level))
}

func processorOf(of component.Type) processor.Factory {
	return processor.NewFactory(of, anySettings,
		processor.WithMetrics(func(context.Context, processor.Settings, component.Config, consumer.Metrics) (processor.Metrics, error) {
			return idle{}, nil
		}, level),
		processor.WithLogs(func(context.Context, processor.Settings, component.Config, consumer.Logs) (processor.Logs, error) {
			return idle{}, nil
		}, level),
		processor.WithTraces(func(context.Context, processor.Settings, component.Config, consumer.Traces) (processor.Traces, error) {
			return idle{}, nil
		}, level))
}

func exporterOf(of component.Type) exporter.Factory {
	return exporter.NewFactory(of, anySettings,
		exporter.WithMetrics(func(context.Context, exporter.Settings, component.Config) (exporter.Metrics, error) {
			return idle{}, nil
		}, level),
		exporter.WithLogs(func(context.Context, exporter.Settings, component.Config) (exporter.Logs, error) {
			return idle{}, nil
		}, level),
		exporter.WithTraces(func(context.Context, exporter.Settings, component.Config) (exporter.Traces, error) {
			return idle{}, nil
		}, level))
}

// connectorOf joins any signal to any other.
func connectorOf(of component.Type) connector.Factory {
	return connector.NewFactory(of, anySettings,
		connector.WithMetricsToMetrics(func(context.Context, connector.Settings, component.Config, consumer.Metrics) (connector.Metrics, error) {
			return idle{}, nil
		}, level),
		connector.WithMetricsToLogs(func(context.Context, connector.Settings, component.Config, consumer.Logs) (connector.Metrics, error) {
			return idle{}, nil
		}, level),
		connector.WithLogsToMetrics(func(context.Context, connector.Settings, component.Config, consumer.Metrics) (connector.Logs, error) {
			return idle{}, nil
		}, level),
		connector.WithLogsToLogs(func(context.Context, connector.Settings, component.Config, consumer.Logs) (connector.Logs, error) {
			return idle{}, nil
		}, level),
		connector.WithTracesToMetrics(func(context.Context, connector.Settings, component.Config, consumer.Metrics) (connector.Traces, error) {
			return idle{}, nil
		}, level),
		connector.WithTracesToLogs(func(context.Context, connector.Settings, component.Config, consumer.Logs) (connector.Traces, error) {
			return idle{}, nil
		}, level),
		connector.WithTracesToTraces(func(context.Context, connector.Settings, component.Config, consumer.Traces) (connector.Traces, error) {
			return idle{}, nil
		}, level))
}
