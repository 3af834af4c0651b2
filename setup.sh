#!/bin/sh
# Sets up .venv with pinned packages, and the system libraries that Qt needs on Debian and Ubuntu.
# usage: setup.sh PYTHON VENV REQUIREMENTS     (PYTHON may be empty: the first of 3.11 or newer is taken)
set -eu
python=$1 venv=$2 requirements=$3
here=$(dirname "$0")

# System packages: installed as root; otherwise the one command to type.
if command -v dpkg-query >/dev/null 2>&1; then
    missing=
    for package in $(sed 's/#.*//' "$here/debian-packages.txt"); do
        case $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true) in
            *"ok installed") ;;
            *) missing="$missing $package" ;;
        esac
    done
    if ! find /usr/share/fonts /usr/local/share/fonts "$HOME/.fonts" "$HOME/.local/share/fonts" \
            \( -name '*.ttf' -o -name '*.otf' \) 2>/dev/null | grep -q .; then
        missing="$missing fonts-dejavu-core"
    fi
    if [ -n "$missing" ]; then
        if [ "$(id -u)" = 0 ]; then
            echo "Installing system libraries:$missing"
            apt-get update -qq
            # shellcheck disable=SC2086
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
        else
            echo "Kinscope needs system libraries that are missing. Install them, then run this again:" >&2
            echo "    sudo apt-get install$missing" >&2
            exit 1
        fi
    fi
fi

if [ -z "$python" ]; then
    for candidate in python3 python3.13 python3.12 python3.11 python3.14; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            python=$candidate
            break
        fi
    done
fi
if [ -z "$python" ]; then
    echo "Kinscope needs Python 3.11 or newer; install it, or name it: make run PYTHON=/path/to/python3" >&2
    exit 1
fi

if [ ! -x "$venv/bin/python" ]; then
    if ! "$python" -c 'import ensurepip' >/dev/null 2>&1; then
        echo "This Python cannot make virtual environments. On Debian and Ubuntu: sudo apt-get install python3-venv" >&2
        exit 1
    fi
    "$python" -m venv "$venv"
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/$requirements"
