"""Holds what the files in deploy say against the service itself: that every variable is one
that it takes and together they start it, that every command exists, and that who stops it
waits for longer than it drains.

    settings.py BINARY DEFAULTS DEPLOY COMPOSE KUBERNETES…

COMPOSE is the project as `deploy-lint compose` prints it, KUBERNETES are built manifests, DEFAULTS
is src/config/default.toml.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

mistakes = []


def main(binary, defaults, deploy, compose, *kubernetes):
    binary, deploy = Path(binary).resolve(), Path(deploy)
    drain = seconds(re.search(r'^drain_timeout = "(.*)"', Path(defaults).read_text(), re.M)[1])
    image = (deploy / "Dockerfile").read_text()
    commands(binary, "Dockerfile", image_commands(image))
    of_compose(binary, drain, json.loads(Path(compose).read_text()))
    for built in kubernetes:
        documents = [d for d in yaml.safe_load_all(Path(built).read_text()) if d]
        of_kubernetes(binary, drain, Path(built).stem, documents)
    of_unit(binary, drain, deploy)
    for mistake in mistakes:
        print(mistake, file=sys.stderr)
    return 1 if mistakes else 0


def image_commands(text):
    found = re.findall(r"^\s*(?:HEALTHCHECK .*)?(?:CMD|ENTRYPOINT) (\[.*\])", text, re.M)
    lists = [json.loads(words) for words in found]
    return [[word for word in words if not word.startswith("/")] for words in lists]


def of_compose(binary, drain, project):
    for name in ("migrate", "service"):
        service = project["services"][name]
        started(binary, f"compose.yaml, {name}", service["environment"])
        commands(binary, f"compose.yaml, {name}", [service.get("command") or []])
    wait(f"compose.yaml, stop_grace_period", project["services"]["service"]["stop_grace_period"], drain + 5)


def of_kubernetes(binary, drain, name, documents):
    by_kind = {(d["kind"], d["metadata"]["name"]): d for d in documents}
    settings = by_kind["ConfigMap", "stripe-product-sync"]["data"]
    started(binary, f"{name}, ConfigMap", settings)
    own = settings.get("SPS_SERVER__DRAIN_TIMEOUT")
    drain = seconds(own) if own else drain
    for (kind, _), document in by_kind.items():
        if kind not in ("Deployment", "Job"):
            continue
        pod = document["spec"]["template"]["spec"]
        for container in pod["containers"]:
            place = f"{name}, {kind}"
            commands(binary, place, [container["args"]])
            mounted(place, settings, container, pod, is_whole=kind == "Deployment")
            if kind == "Deployment":
                sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"]
                grace = f"{pod['terminationGracePeriodSeconds']}s"
                wait(f"{place}, terminationGracePeriodSeconds", grace, sleep + drain + 5)
                probed(place, settings, container)


def probed(place, settings, container):
    """By TLS where there is TLS, at ports and paths that are there."""
    scheme = "HTTPS" if "SPS_TLS__CERT" in settings else "HTTP"
    ports = {port["name"]: str(port["containerPort"]) for port in container["ports"]}
    for listener in ("GRPC", "HTTP"):
        address = settings[f"SPS_SERVER__{listener}_LISTEN"]
        if address.rsplit(":", 1)[1] != ports[listener.lower()]:
            mistakes.append(f"{place}: port {listener.lower()} is not that of {address}")
    for probe, path in (("startup", "/livez"), ("liveness", "/livez"), ("readiness", "/readyz")):
        asked = container[f"{probe}Probe"]["httpGet"]
        if (asked.get("scheme", "HTTP"), asked["port"], asked["path"]) != (scheme, "http", path):
            mistakes.append(f"{place}: {probe}Probe asks {asked}")


def mounted(place, settings, container, pod, is_whole):
    """Every file and folder that a variable names is in a volume that is there."""
    volumes = {volume["name"] for volume in pod["volumes"]}
    paths = []
    for mount in container["volumeMounts"]:
        paths.append(mount["mountPath"])
        if mount["name"] not in volumes:
            mistakes.append(f"{place}: no volume is called {mount['name']}")
    for variable, value in settings.items():
        needed = is_whole or variable.endswith("_FILE")
        if value.startswith("/") and needed and not any(value.startswith(path) for path in paths):
            mistakes.append(f"{place}: {variable} is {value}, where nothing is mounted")


def of_unit(binary, drain, deploy):
    text = (deploy / "stripe-product-sync.service").read_text()
    environment = dict(re.findall(r"^Environment=(\w+)=(.*)$", text, re.M))
    environment = {name: value.replace("%d", "/credentials") for name, value in environment.items()}
    credentials = re.findall(r"^LoadCredential=(\w+):", text, re.M)
    for name, value in environment.items():
        if value.startswith("/credentials/") and Path(value).name not in credentials:
            mistakes.append(f"unit: {name} names a credential that is not loaded")
    readme = (deploy / "README.md").read_text()
    started(binary, "unit, with README.md's file", environment, re.search(r"^```toml\n(.*?)^```", readme, re.M | re.S)[1])
    words = re.search(r"^ExecStart=(.*)$", text, re.M)[1].split()[1:]
    commands(binary, "unit, ExecStart", [words])
    wait("unit, TimeoutStopSec", re.search(r"^TimeoutStopSec=(.*)$", text, re.M)[1], drain + 5)


def started(binary, place, environment, file=None):
    """`check-config` takes all of it, and every variable has a say."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        moved = {name: inside(here, name, value) for name, value in environment.items()}
        args = [binary, "check-config", "--output", "json"]
        if file:
            # The folders it names are not there on every machine.
            file = re.sub(r'"(/[^"]*)"', lambda m: f'"{inside(here, "ROOT", m[1])}"', file)
            (here / "file.toml").write_text(file)
            args += ["--config", here / "file.toml"]
        done = subprocess.run(args, env=moved, cwd=here, capture_output=True, text=True)
    if done.returncode != 0:
        mistakes.append(f"{place}: check-config ended with {done.returncode}\n{done.stderr.rstrip()}")
        return
    settings = json.loads(done.stdout)["settings"]
    sources = {setting["source"] for setting in settings}
    for name in environment:
        if name not in sources:
            mistakes.append(f"{place}: {name} sets nothing")
    effective = {setting["key"]: setting["value"] for setting in settings}
    address = effective["server.grpc_listen"]
    if not address.startswith("127.") and effective["auth.required"] != "true":
        mistakes.append(f"{place}: {address} is open to everybody")


SAMPLES = {
    "DATABASE_URL_FILE": "postgres://u:p@postgres/d",
    "STRIPE_SECRET_KEY_FILE": "sk_test_sample",
    "STRIPE_WEBHOOK_SECRET_FILE": "whsec_c2FtcGxl",
}


def inside(here, name, value):
    """A path as it is in a container, below this folder, with something there."""
    if not value.startswith("/"):
        return value
    path = here / value.lstrip("/")
    if name.endswith("ROOT"):
        path.mkdir(parents=True, exist_ok=True)
        return str(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if name in SAMPLES:
        path.write_text(SAMPLES[name])
    elif name == "SPS_TLS__CERT":
        certificate(path)
    return str(path)


def certificate(path):
    key = path.with_name("tls.key")
    words = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    words += ["-subj", "/CN=sample", "-addext", "subjectAltName=DNS:sample", "-days", "90"]
    subprocess.run([*words, "-keyout", key, "-out", path], check=True, capture_output=True)


def commands(binary, place, lists):
    for words in lists:
        done = subprocess.run([binary, *words, "--help"], capture_output=True, text=True)
        if done.returncode != 0:
            mistakes.append(f"{place}: {' '.join(words)}: {done.stderr.rstrip()}")


def wait(place, given, least):
    if seconds(given) < least:
        mistakes.append(f"{place} is {given}, which has to be {least}s at least")


def seconds(text):
    total = 0
    for number, unit in re.findall(r"(\d+)([smh])", text):
        total += int(number) * {"s": 1, "m": 60, "h": 3600}[unit]
    return total


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
