#!/bin/sh
# Set-up: what the build needs, found or fetched. With everything in place it asks
# nothing of the machine: no privilege, no apt, no network. What is missing on Debian
# is installed when we are root, and named in one command otherwise. Debian 12's
# Unicorn is too old (its x86 paging ignores the frame number of a page-table entry),
# so Debian 13's binaries of Unicorn and Capstone are unpacked below build/, from the
# mirror that the machine's apt uses; apt's own configuration is never touched. Either way
# the engine is linked statically.
#
#   scripts/setup.sh config FILE         make everything ready, write FILE for make
#   scripts/setup.sh need COMMAND...     make sure that these commands exist
set -eu
cd "$(dirname "$0")/.."
. scripts/private-apt.sh

deps=build/deps
engine_packages='libunicorn-dev libcapstone-dev'

# What to look for, and the Debian package that brings it.
needs() {
    cat <<'TABLE'
command cc                          gcc
command ar                          binutils
command pkg-config                  pkg-config
header  stdio.h                     libc6-dev
header  criterion/criterion.h       libcriterion-dev
header  readline/readline.h         libreadline-dev
header  jansson.h                   libjansson-dev
header  libsmartcols/libsmartcols.h libsmartcols-dev
header  uthash.h                    uthash-dev
header  zstd.h                      libzstd-dev
header  elfutils/libdw.h            libdw-dev
header  curses.h                    libncurses-dev
TABLE
    case $(uname -m) in
    x86_64 | i?86) ;;
    *) echo 'command i686-linux-gnu-gcc gcc-i686-linux-gnu' ;;
    esac
}

fail() {
    echo "$*" >&2
    exit 1
}

find_header() { # NAME: print its path
    for folder in /usr/include /usr/local/include; do
        if [ -e "$folder/$1" ]; then
            echo "$folder/$1"
            return 0
        fi
    done
    return 1
}

have() { # KIND NAME
    case $1 in
    command) command -v "$2" >/dev/null ;;
    header) find_header "$2" >/dev/null ;;
    esac
}

system_engine() { # is the machine's own Unicorn good?
    pkg-config --atleast-version=2.1.1 unicorn 2>/dev/null &&
        pkg-config --atleast-version=5 capstone 2>/dev/null
}

missing_packages() { # the Debian packages to install, one line
    needs | while read -r kind name package; do
        have "$kind" "$name" || printf '%s ' "$package"
    done
    [ "$release" = debian-12 ] || system_engine || printf '%s' "$engine_packages"
}

install_packages() { # PACKAGE...
    if [ "$(id -u)" != 0 ]; then
        fail "Packages are missing. Run this, then make again:
  sudo apt-get install -y --no-install-recommends $*"
    fi
    echo "Installing with apt-get: $*"
    export DEBIAN_FRONTEND=noninteractive
    log=build/setup.log
    mkdir -p build
    set -- install -y --no-install-recommends "$@"
    # Lists may be absent or stale; only then are they fetched again.
    apt-get -q "$@" >"$log" 2>&1 </dev/null || {
        apt-get -q update >>"$log" 2>&1 </dev/null && apt-get -q "$@" >>"$log" 2>&1 </dev/null
    } || {
        tail -n 15 "$log" >&2
        fail "apt-get $* failed; the whole log is $log."
    }
}

# Debian 13's Unicorn and Capstone, unpacked below build/deps, for Debian 12.
fetch_engine() {
    [ -e "$deps/complete" ] && return
    echo "Fetching Unicorn and Capstone of Debian 13 into $deps (Debian 12's are too old)"
    rm -rf "$deps"
    private_apt_open "$deps/apt" trixie "$(dpkg --print-architecture)" ||
        fail "Unicorn 2.1.1 of Debian 13 (trixie) could not be fetched; apt's reason is above."
    mkdir "$deps/packages"
    (cd "$deps/packages" &&
        private_apt apt-get download libunicorn2t64 libunicorn-dev libcapstone5 libcapstone-dev \
            >../download.log 2>&1) || {
        tail -n 5 "$deps/download.log" >&2
        fail 'Unicorn and Capstone of Debian 13 (trixie) could not be downloaded.'
    }
    for package in "$deps"/packages/*.deb; do
        dpkg-deb -x "$package" "$deps"
    done
    rm -rf "$deps/apt" "$deps/packages"
    : >"$deps/complete"
}

write_config() { # FILE
    mkdir -p "$(dirname "$1")"
    {
        echo '# Written by scripts/setup.sh: where this machine has what the build needs.'
        if system_engine; then
            folder=$(pkg-config --variable=libdir unicorn)
            echo "ENGINE_CFLAGS := $(pkg-config --cflags unicorn capstone)"
        else
            folder=$deps/usr/lib
            echo "ENGINE_CFLAGS := -isystem $deps/usr/include -isystem $deps/usr/include/capstone"
            echo 'ENGINE_BUNDLED := yes'
        fi
        # The archives where they exist: Unicorn's shared library exports 30,000 names of QEMU's.
        archives=$(find "$folder" -name libunicorn.a -o -name libcapstone.a | sort -r | tr '\n' ' ')
        if [ "${archives#*libunicorn.a}" = "$archives" ] || [ "${archives#*libcapstone.a}" = "$archives" ]; then
            archives=$(pkg-config --libs unicorn capstone)
        fi
        echo "ENGINE_LIBS := $archives"
        case $(uname -m) in
        x86_64 | i?86) ;;
        *) echo 'GUEST_CROSS := i686-linux-gnu-' ;;
        esac
        # A file that goes away, or a new one, makes the next make look again.
        {
            needs | while read -r kind name package; do
                [ "$kind" != header ] || find_header "$name"
            done
            if system_engine; then find_header unicorn/unicorn.h; else echo "$deps/complete"; fi
        } | while read -r file; do
            printf '%s: %s\n%s:\n' "$1" "$file" "$file"
        done
    } >"$1.new"
    mv "$1.new" "$1"
}

release=other
if [ -r /etc/os-release ]; then
    release=$(. /etc/os-release && echo "${ID:-other}-${VERSION_ID:-}")
fi

case "${1:-}" in
config)
    packages=$(missing_packages)
    case $release in
    debian-*)
        # shellcheck disable=SC2086 # a list of words
        [ -z "$packages" ] || install_packages $packages
        system_engine || fetch_engine
        ;;
    *)
        [ -z "$packages" ] || fail "libvmm sets itself up on Debian 12 and 13 only: elsewhere install \
gcc, pkg-config, Unicorn 2.1.1 or newer, Capstone 5, Criterion, readline, Jansson, \
libsmartcols, uthash and zstd with their headers, or use the Containerfile (docs/install.md)."
        ;;
    esac
    write_config "$2"
    ;;
need)
    shift
    packages=
    for command; do
        have command "$command" || packages="$packages $command"
    done
    [ -n "$packages" ] || exit 0
    # shellcheck disable=SC2086 # a list of words
    case $release in
    debian-*) install_packages $packages ;;
    *) fail "This target needs$packages: install it and run make again." ;;
    esac
    ;;
*)
    fail 'usage: scripts/setup.sh config FILE | need COMMAND...'
    ;;
esac
