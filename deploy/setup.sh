#!/usr/bin/env bash
# Sets up echocare-node on Debian 12: Debian packages where they are missing, and a virtual environment in .venv.
# With the word `viewer` also the browser and the viewer that the tests look into.
# Run it again at any time; when nothing has changed it ends at once. Use it through `make setup` and `make viewer`.
set -euo pipefail

cd "$(dirname "$0")/.."

debian_packages=(python3-venv orthanc orthanc-dicomweb dcmtk fonts-dejavu-core fonts-droid-fallback poppler-utils)
viewer=${1:-}
stamp=.venv/.setup-of
ohif=.cache/ohif
ohif_version=3.13.2
ohif_sha512=5997719a9986eeba85816f5924b71b82bdd70ad2e2d4a0cd3e831a798e4f3deea3e06e1f8c48e393271933a0ba664d85f3b04ac457e9abe8dde715d907d13c10
policy=/usr/sbin/policy-rc.d

say() { printf 'setup: %s\n' "$*"; }
stop() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

missing_packages() {
    local name
    for name in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || printf '%s\n' "$name"
    done
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# While this file stands, Debian's packages start no service (policy-rc.d, invoke-rc.d(8)).
forbid_services() {
    if as_root test -e "$policy"; then as_root mv "$policy" "$policy.before-echocare-setup"; fi
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
}

allow_services() {
    as_root rm -f "$policy"
    if as_root test -e "$policy.before-echocare-setup"; then
        as_root mv "$policy.before-echocare-setup" "$policy"
    fi
}

# The tests start Orthanc themselves; one that we installed must not start with the machine either.
disable_orthanc() {
    if [ -x /usr/bin/deb-systemd-helper ]; then
        as_root deb-systemd-helper disable orthanc.service >/dev/null 2>&1 || true
    fi
    as_root update-rc.d orthanc disable >/dev/null 2>&1 || true
}

# Install those of the named packages that are missing; status 1 when that did not go.
install_packages() {
    command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
        stop "this is no Debian; install these yourself: Python 3.11 with venv, Orthanc with its DICOMweb plugin, DCMTK, Poppler, DejaVu and Droid Fallback fonts; for the tests Chromium and npm"
    local missing
    mapfile -t missing < <(missing_packages "$@")
    [ "${#missing[@]}" -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
        stop "missing Debian packages: ${missing[*]}; run this as root, or install them: apt-get install ${missing[*]}"
    fi
    say "installing Debian packages: ${missing[*]}"
    trap allow_services EXIT
    forbid_services
    local status=0
    as_root apt-get update -qq &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
        status=1
    allow_services
    trap - EXIT
    if printf '%s\n' "${missing[@]}" | grep -qx orthanc; then disable_orthanc; fi
    return "$status"
}

# A browser and npm may come from elsewhere than Debian; what is there is not replaced.
install_browser() {
    local wanted=()
    command -v chromium >/dev/null || wanted+=(chromium)
    command -v npm >/dev/null || wanted+=(npm)
    [ "${#wanted[@]}" -eq 0 ] || install_packages "${wanted[@]}" ||
        say "${wanted[*]} could not be installed; the tests in the viewer will be skipped until make viewer can install them"
}

wanted() {
    { cat pyproject.toml constraints.txt; python3 --version; pwd; } | sha256sum
}

install_python_packages() {
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(wanted)" ]; then return 0; fi
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || stop "Python 3.11 or newer is needed as python3"
    if [ ! -x .venv/bin/python ]; then
        say "making .venv"
        python3 -m venv .venv
    fi
    say "installing Python packages; the first time this takes some minutes"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
        --constraint constraints.txt --editable '.[trainer,test]'
    wanted >"$stamp"
    say "done"
}

# The viewer that the tests look into: OHIF as it is published, fetched once. Without it only they are skipped.
fetch_ohif() {
    if [ "$(cat "$ohif/version" 2>/dev/null)" = "$ohif_version" ]; then return 0; fi
    say "fetching the viewer OHIF $ohif_version, 50 MB"
    rm -rf "$ohif"
    mkdir -p "$ohif"
    local archive="$ohif/ohif-app-$ohif_version.tgz"
    if ! npm pack --silent --pack-destination "$ohif" "@ohif/app@$ohif_version" >/dev/null; then
        say "OHIF could not be fetched; the tests in the viewer will be skipped until make viewer can reach the npm registry"
        return 0
    fi
    printf '%s  %s\n' "$ohif_sha512" "$archive" | sha512sum --check --quiet || stop "$archive is not what is expected"
    tar -xzf "$archive" -C "$ohif" --strip-components=1
    rm "$archive"
    printf '%s\n' "$ohif_version" >"$ohif/version"
}

install_packages "${debian_packages[@]}" || stop "Debian packages could not be installed; the lines above say why"
install_python_packages
if [ "$viewer" = viewer ]; then
    install_browser
    fetch_ohif
fi
