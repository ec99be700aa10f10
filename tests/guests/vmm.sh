#!/bin/sh
# Runs a guest under our own program and prints its console. Usage: vmm.sh GUEST [COMMAND-LINE]
# VMM names the program (default: the build's), VMM_TECHNIQUE the technique (default bare), VMM_OPTIONS
# further options of `vmm run`. Status: the program's.
here=$(cd "$(dirname "$0")" && pwd)
guest=$1
shift
load=auto
case $guest in *flat.bin) load=flat@0x100000 ;; esac
exec timeout "${VMM_TIMEOUT:-60}" "${VMM:-$here/../../build/vmm}" run -t "${VMM_TECHNIQUE:-bare}" \
    --load "$load" ${VMM_OPTIONS:-} --append "$*" "$guest" </dev/null
