// Reads a file of Docker Compose by Compose's own loader, which holds it against its schema, and ends with 1 if it is wrong. Prints each
// service with its image, and every file of this machine that it mounts or is built by.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	options, err := cli.NewProjectOptions(os.Args[1:], cli.WithOsEnv, cli.WithEnvFiles(), cli.WithDotEnv)
	if err == nil {
		project, loading := options.LoadProject(context.Background())
		if err = loading; err == nil {
			for _, service := range project.Services {
				fmt.Println("service", service.Name, service.Image)
				if service.Build != nil {
					fmt.Println("file", filepath.Join(service.Build.Context, service.Build.Dockerfile))
				}
				for _, volume := range service.Volumes {
					if volume.Type == "bind" {
						fmt.Println("file", volume.Source)
					}
				}
			}
			for _, secret := range project.Secrets {
				fmt.Println("file", secret.File)
			}
			return
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
