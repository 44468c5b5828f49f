// Command deploy-lint asks those who will read the files in deploy about them: BuildKit's
// parser about the Dockerfile, moby's about what is sent to a build, compose-go about
// the compose file, the Prometheus operator's types about the ServiceMonitor,
// Kubernetes' pod security about the pods. go.mod also pins the tools that `check`
// installs.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

const usage = `deploy-lint dockerfile FILE    parses it as a build would
deploy-lint sent IGNOREFILE    of the files named on stdin, those that a build is sent
deploy-lint compose FILE       the project, loaded and checked, as JSON
deploy-lint monitor FILE       a ServiceMonitor, with no field that the operator doesn't know
deploy-lint restricted FILE    of built manifests, every pod is one that "restricted" lets in`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New(usage)
	}
	switch args[0] {
	case "dockerfile":
		return dockerfile(args[1])
	case "sent":
		return sent(args[1])
	case "compose":
		return compose(args[1])
	case "monitor":
		return monitor(args[1])
	case "restricted":
		return restricted(args[1])
	default:
		return errors.New(usage)
	}
}

func dockerfile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	parsed, err := parser.Parse(file)
	if err != nil {
		return err
	}
	var warnings []string
	for _, warning := range parsed.Warnings {
		warnings = append(warnings, warning.Short)
	}
	rules := linter.New(&linter.Config{
		Warn: func(rule, _, _, message string, _ []parser.Range) {
			warnings = append(warnings, rule+": "+message)
		},
	})
	stages, _, err := instructions.Parse(parsed.AST, rules)
	if err != nil {
		return err
	}
	for _, stage := range stages {
		for _, command := range stage.Commands {
			// The options of RUN --mount are read only now.
			if expands, ok := command.(instructions.SupportsSingleWordExpansion); ok {
				if err := expands.Expand(asWritten); err != nil {
					return err
				}
			}
		}
	}
	if len(warnings) > 0 {
		return errors.New(strings.Join(warnings, "\n"))
	}
	return nil
}

func asWritten(word string) (string, error) { return word, nil }

func sent(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	patterns, err := ignorefile.ReadAll(file)
	if err != nil {
		return err
	}
	ignored, err := patternmatcher.New(patterns)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		skip, err := ignored.MatchesOrParentMatches(lines.Text())
		if err != nil {
			return err
		}
		if !skip {
			fmt.Println(lines.Text())
		}
	}
	return lines.Err()
}

func compose(path string) error {
	options, err := cli.NewProjectOptions([]string{path}, cli.WithOsEnv, cli.WithProfiles([]string{"*"}))
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	text, err := project.MarshalJSON()
	if err != nil {
		return err
	}
	fmt.Println(string(text))
	return nil
}

func monitor(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var made monitoring.ServiceMonitor
	if err := yaml.UnmarshalStrict(text, &made); err != nil {
		return err
	}
	if made.Kind != monitoring.ServiceMonitorsKind || len(made.Spec.Endpoints) == 0 {
		return errors.New("no ServiceMonitor with an endpoint")
	}
	return nil
}

func restricted(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	checks, err := policy.NewEvaluator(policy.DefaultChecks())
	if err != nil {
		return err
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	var refused []string
	pods := 0
	for _, document := range strings.Split(string(text), "\n---\n") {
		var made struct {
			Kind string `json:"kind"`
			Spec struct {
				Template *core.PodTemplateSpec `json:"template"`
			} `json:"spec"`
		}
		if err := yaml.Unmarshal([]byte(document), &made); err != nil {
			return err
		}
		template := made.Spec.Template
		if template == nil {
			continue
		}
		pods++
		for _, result := range checks.EvaluatePod(level, &template.ObjectMeta, &template.Spec) {
			if !result.Allowed {
				refused = append(refused, made.Kind+": "+result.ForbiddenReason+": "+result.ForbiddenDetail)
			}
		}
	}
	if pods == 0 {
		refused = append(refused, "there is no pod")
	}
	if len(refused) > 0 {
		return errors.New(strings.Join(refused, "\n"))
	}
	return nil
}
