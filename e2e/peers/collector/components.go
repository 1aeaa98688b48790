package main

import (
	"os"
	"slices"

	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/fileexporter"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/healthcheckextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/opampextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/attributesprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/cumulativetodeltaprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/deltatorateprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/filterprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/groupbyattrsprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/intervalprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/k8sattributesprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/metricstransformprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/resourcedetectionprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/resourceprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/transformprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/hostmetricsreceiver"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/otlpjsonfilereceiver"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/connector/forwardconnector"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/debugexporter"
	"go.opentelemetry.io/collector/exporter/nopexporter"
	"go.opentelemetry.io/collector/exporter/otlpexporter"
	"go.opentelemetry.io/collector/exporter/otlphttpexporter"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/batchprocessor"
	"go.opentelemetry.io/collector/processor/memorylimiterprocessor"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
)

// factories returns what is built in, and the stand-ins that the environment names.
func factories() (otelcol.Factories, error) {
	named, err := standInsOf(os.Getenv("PHOENIX_STAND_INS"))
	if err != nil {
		return otelcol.Factories{}, err
	}
	all := otelcol.Factories{Telemetry: otelconftelemetry.NewFactory()}
	all.Receivers, err = otelcol.MakeFactoryMap(together[receiver.Factory](named.receivers,
		otlpreceiver.NewFactory(), hostmetricsreceiver.NewFactory(), otlpjsonfilereceiver.NewFactory())...)
	if err != nil {
		return all, err
	}
	all.Processors, err = otelcol.MakeFactoryMap(together[processor.Factory](named.processors,
		attributesprocessor.NewFactory(), batchprocessor.NewFactory(), cumulativetodeltaprocessor.NewFactory(),
		deltatorateprocessor.NewFactory(), filterprocessor.NewFactory(), groupbyattrsprocessor.NewFactory(),
		intervalprocessor.NewFactory(), k8sattributesprocessor.NewFactory(), memorylimiterprocessor.NewFactory(),
		metricstransformprocessor.NewFactory(), resourcedetectionprocessor.NewFactory(),
		resourceprocessor.NewFactory(), transformprocessor.NewFactory())...)
	if err != nil {
		return all, err
	}
	all.Exporters, err = otelcol.MakeFactoryMap(together[exporter.Factory](named.exporters,
		debugexporter.NewFactory(), fileexporter.NewFactory(), nopexporter.NewFactory(), otlpexporter.NewFactory(),
		otlphttpexporter.NewFactory())...)
	if err != nil {
		return all, err
	}
	extensions := []extension.Factory{filestorage.NewFactory(), healthcheckextension.NewFactory()}
	// The published shapes name no server for it, without which it refuses to be there: its stand-in goes before it.
	if opamp := opampextension.NewFactory(); !has(named.extensions, opamp.Type()) {
		extensions = append(extensions, opamp)
	}
	all.Extensions, err = otelcol.MakeFactoryMap(together(named.extensions, extensions...)...)
	if err != nil {
		return all, err
	}
	all.Connectors, err = otelcol.MakeFactoryMap(together[connector.Factory](named.connectors, forwardconnector.NewFactory())...)
	return all, err
}

// has says whether there is a factory of a type.
func has[F component.Factory](factories []F, kind component.Type) bool {
	return slices.ContainsFunc(factories, func(factory F) bool { return factory.Type() == kind })
}

// together returns what is built in before the stand-ins, of which those are left out whose type is built in.
func together[F component.Factory](standIns []F, builtIn ...F) []F {
	known := map[component.Type]bool{}
	for _, factory := range builtIn {
		known[factory.Type()] = true
		if renamed, ok := any(factory).(interface{ DeprecatedAlias() component.Type }); ok {
			known[renamed.DeprecatedAlias()] = true
		}
	}
	all := builtIn
	for _, factory := range standIns {
		if !known[factory.Type()] {
			all = append(all, factory)
		}
	}
	return all
}

type standIns struct {
	receivers  []receiver.Factory
	processors []processor.Factory
	exporters  []exporter.Factory
	extensions []extension.Factory
	connectors []connector.Factory
}
