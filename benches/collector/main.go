// Command phoenix-bench-collector says what the Collector's own processors cost on the batches of phoenix-bench:
// bytes in, its unmarshalling, its processors, its marshalling, bytes out, on one core.
//
// phoenix-bench writes the batches and the config, starts this, and reads the line that it prints: CPU nanoseconds a
// round, and the bytes that left.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"syscall"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/attributesprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/cumulativetodeltaprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/deltatorateprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/filterprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/groupbyattrsprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/metricstransformprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/resourceprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/transformprocessor"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"
)

var factories = []processor.Factory{
	attributesprocessor.NewFactory(),
	cumulativetodeltaprocessor.NewFactory(),
	deltatorateprocessor.NewFactory(),
	filterprocessor.NewFactory(),
	groupbyattrsprocessor.NewFactory(),
	metricstransformprocessor.NewFactory(),
	resourceprocessor.NewFactory(),
	transformprocessor.NewFactory(),
}

// Both spellings of the renamed types.
var renamed = map[string]string{
	"cumulativetodelta": "cumulative_to_delta",
	"deltatorate":       "delta_to_rate",
	"metricstransform":  "metrics_transform",
}

func main() {
	batches := flag.String("batches", "", "directory of requests in protobuf, taken in order, over and over")
	config := flag.String("config", "", "YAML: `processors`, each by its type, run in the order of `order`")
	seconds := flag.Float64("seconds", 2, "how long to run")
	flag.Parse()
	runtime.GOMAXPROCS(1)
	if err := run(*batches, *config, *seconds); err != nil {
		log.Fatal(err)
	}
}

func run(directory, config string, seconds float64) error {
	payloads, err := read(directory)
	if err != nil {
		return err
	}
	var out []byte
	next, err := pipeline(config, func(_ context.Context, metrics pmetric.Metrics) error {
		bytes, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(metrics)
		out = bytes
		return err
	})
	if err != nil {
		return err
	}
	round := func(payload []byte) error {
		out = nil
		metrics, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(payload)
		if err != nil {
			return err
		}
		return next.ConsumeMetrics(context.Background(), metrics)
	}
	// Once over all of them for what has to be met first.
	for _, payload := range payloads {
		if err := round(payload); err != nil {
			return err
		}
	}
	runtime.GC()
	rounds, left, began, spent := 0, 0, time.Now(), cpu()
	for time.Since(began).Seconds() < seconds {
		for _, payload := range payloads {
			if err := round(payload); err != nil {
				return err
			}
			left += len(out)
			rounds++
		}
	}
	nanos := cpu() - spent
	fmt.Printf("%d %d\n", nanos/int64(rounds), left/rounds)
	return nil
}

// cpu is this process's own time so far, of all its threads, in nanoseconds.
func cpu() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func read(directory string) ([][]byte, error) {
	names, err := filepath.Glob(filepath.Join(directory, "*.pb"))
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("no batches in %q: %w", directory, err)
	}
	sort.Strings(names)
	payloads := make([][]byte, len(names))
	for i, name := range names {
		if payloads[i], err = os.ReadFile(name); err != nil {
			return nil, err
		}
	}
	return payloads, nil
}

// pipeline builds the processors of a Collector file's metrics pipeline, in order, in front of a consumer.
func pipeline(path string, end consumer.ConsumeMetricsFunc) (consumer.Metrics, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	retrieved, err := confmap.NewRetrievedFromYAML(text)
	if err != nil {
		return nil, err
	}
	file, err := retrieved.AsConf()
	if err != nil {
		return nil, err
	}
	order, ok := file.Get("service::pipelines::metrics::processors").([]any)
	if !ok {
		return nil, fmt.Errorf("%s has no metrics pipeline", path)
	}
	next, err := consumer.NewMetrics(end, consumer.WithCapabilities(consumer.Capabilities{MutatesData: true}))
	if err != nil {
		return nil, err
	}
	for i := len(order) - 1; i >= 0; i-- {
		id, _ := order[i].(string)
		conf, err := file.Sub("processors::" + id)
		if err != nil {
			return nil, err
		}
		if next, err = build(id, conf, next); err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
	}
	return next, nil
}

func build(id string, conf *confmap.Conf, next consumer.Metrics) (consumer.Metrics, error) {
	kind, _, _ := strings.Cut(id, "/")
	for _, factory := range factories {
		name := factory.Type().String()
		if name != kind && name != renamed[kind] {
			continue
		}
		config := factory.CreateDefaultConfig()
		if err := conf.Unmarshal(config); err != nil {
			return nil, err
		}
		if validated, ok := config.(interface{ Validate() error }); ok {
			if err := validated.Validate(); err != nil {
				return nil, err
			}
		}
		made, err := factory.CreateMetrics(context.Background(), settings(factory.Type()), config, next)
		if err != nil {
			return nil, err
		}
		return made, made.Start(context.Background(), componenttest.NewNopHost())
	}
	return nil, fmt.Errorf("no such processor here")
}

func settings(kind component.Type) processor.Settings {
	return processortest.NewNopSettings(kind)
}
