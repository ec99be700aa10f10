#!/bin/sh
# Manual pages: clean under mandoc's lint, and complete: every command and option of the help, every
# command of the prompt, every public function. Completion: the three files are read by their shells,
# and offer what the help lists.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${VMM_BUILD:-$PWD/build}
vmm=$build/vmm
[ -x "$vmm" ] && [ -e "$build/man/vmm.1" ] && [ -e "$build/completion/bash" ] || {
    echo 'skipped: the program or its manual pages are not built'
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME="$work"
bad=0
fail() {
    echo "$*"
    bad=1
}

# ---- the pages ----

for page in vmm.1 vmm-repl.7 libvmm.3 vmm-trace.5; do
    [ -s "$build/man/$page" ] || fail "$page is not there"
    command -v mandoc >/dev/null 2>&1 || continue
    # Whether a page that it points to is installed here is not asked.
    mandoc -Tlint "$build/man/$page" 2>/dev/null | grep -v 'referenced manual not found' && fail "$page"
    mandoc -Tascii "$build/man/$page" >/dev/null || fail "$page cannot be shown"
done
for command in $("$vmm" --help | sed -nE 's/^  ([a-z]+) +.*/\1/p'); do
    [ "$command" = help ] || [ "$command" = version ] || grep -qx ".Ss vmm $command" "$build/man/vmm.1" ||
        fail "vmm(1) does not have $command"
done
scripts/completion table "$vmm" >"$work/table"
cut -f 2 "$work/table" | sort -u | grep . | while read -r option; do
    grep -q -e "^.It Cm .*$option" "$build/man/vmm.1" || echo "$option"
done | grep . && fail 'vmm(1) does not have these'
for command in $(echo help | "$vmm" debug | sed -nE 's/^  ([a-z-]+) .*/\1/p'); do
    grep -q "^.It Cm $command\\b" "$build/man/vmm-repl.7" || fail "vmm-repl(7) does not have $command"
done
for function in $(grep -ohE '^[a-z].*[ *]vmm_[a-z0-9_]+\(' libvmm/include/vmm/*.h | grep -v inline | sed 's/.*[ *]\(vmm_.*\)(/\1/' | sort -u); do
    grep -q "^.It Fn $function$" "$build/man/libvmm.3" || fail "libvmm(3) does not have $function"
done

# ---- completion ----

# offers SHELL WORD...: what the shell proposes for the last word.
offers() {
    shell=$1
    shift
    case $shell in
    bash) bash -c 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _vmm; printf "%s\n" "${COMPREPLY[@]}"' - \
        "$build/completion/bash" "$@" ;;
    fish) fish -c "source $build/completion/fish; complete -C '$*'" 2>/dev/null | cut -f 1 ;;
    esac
}
for shell in bash zsh fish; do
    command -v $shell >/dev/null 2>&1 || continue
    $shell -n "$build/completion/$shell" || fail "$shell cannot read its completion"
done
for shell in bash fish; do
    command -v $shell >/dev/null 2>&1 || continue
    offers $shell vmm de | grep -qx debug || fail "$shell: no command"
    offers $shell vmm run -t '' | grep -qx trap || fail "$shell: no technique"
    offers $shell vmm run --clock '' | grep -qx virtual || fail "$shell: no clock"
    offers $shell vmm lab '' | grep -qx grade || fail "$shell: no word"
    for command in $(cut -f 1 "$work/table" | sort -u); do
        offers $shell vmm "$command" -- | sort -u >"$work/offered"
        awk -F'\t' -v c="$command" '$1 == c && $2 ~ /^--/ { print $2 }' "$work/table" | sort -u |
            comm -23 - "$work/offered" | grep . && fail "$shell does not offer these of $command"
    done
done
exit $bad
