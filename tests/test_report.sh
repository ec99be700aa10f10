#!/bin/sh
# `vmm report`: the page's numbers are those of --stats, it is one file that asks for nothing, and
# Chromium, where there is one, opens it without a complaint; a bad trace is told in one sentence and
# leaves an older page alone.
#
#   tests/test_report.sh [TRACE STATS [LEAST]]
#
# judges the report of a trace made elsewhere, of a run with these statistics (JSON) and LEAST exits.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${VMM_BUILD:-$PWD/build}
vmm=$build/vmm
guests=$build/guests
[ -x "$vmm" ] && [ -e "$guests/kernel-virt.elf" ] || {
    echo 'skipped: the program or its guests are not built'
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
fail() {
    echo "$*"
    bad=1
}

# ---- numbers ----

field() { # NAME STATS
    sed -n "s/.*\"$1\":\"*\([^,\"}]*\).*/\1/p" "$2"
}
# fact NAME PAGE: the plain value of a fact of the summary.
fact() {
    sed -n "s/.*<dt>$1<\/dt><dd>\(<code>\)*\(<data value=\"\)*\([^<\"]*\).*/\3/p" "$2"
}
same_numbers() { # PAGE STATS
    for pair in 'instructions:guest_instructions' 'virtual time:virtual_time' 'host time:host_ns' \
        'state digest:digest' 'technique:technique'; do
        [ "$(fact "${pair%:*}" "$1")" = "$(field "${pair#*:}" "$2")" ] ||
            fail "${pair%:*} is $(fact "${pair%:*}" "$1"), not $(field "${pair#*:}" "$2")"
    done
    grep -o '"cause":"[A-Za-z_0-9]*","count":[0-9]*' "$2" | tr -d '"' | tr ',' ':' |
        awk -F: '{ print $2, $4 }' | sort >"$work/wanted"
    sed -n 's/^<tr><td>\([A-Za-z_0-9]*\)<\/td><td class="n"><data value="\([0-9]*\)">.*/\1 \2/p' "$1" |
        sort >"$work/shown"
    cmp -s "$work/wanted" "$work/shown" || fail "exits: $(diff "$work/wanted" "$work/shown")"
    total=$(awk '{ n += $2 } END { print n + 0 }' "$work/wanted")
    [ "$(fact exits "$1")" = "$total" ] || fail "$(fact exits "$1") exits, not $total"
}

# ---- one file ----

self_contained() { # PAGE
    grep -qE 'https?://|<script|<link [^>]*href="[^d]|<img|@import|url\(' "$1" &&
        fail "the page asks for something: $(grep -oE 'https?://[^"]*|<script|@import|url\([^)]*' "$1" | head -3)"
    [ "$(wc -c <"$1")" -lt 3000000 ] || fail "the page has $(wc -c <"$1") bytes"
    tail -n 1 "$1" | grep -qx '</html>' || fail 'the page has no end'
}

# Console messages go to standard error; so does whatever the page would load, by its policy.
browser=
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null 2>&1 && [ -z "$browser" ] && browser=$name
done
opens() { # PAGE
    [ -n "$browser" ] || return
    for width in 1280 400; do
        timeout 60 "$browser" --headless=new --no-sandbox --disable-gpu --enable-logging=stderr \
            --user-data-dir="$work/profile" --window-size=$width,900 --log-net-log="$work/net.json" \
            --disable-background-networking --disable-component-update --no-first-run \
            --screenshot="$work/shot.png" "file://$1" >/dev/null 2>"$work/log" || fail "$browser fails: $(tail -n 3 "$work/log")"
        grep 'CONSOLE' "$work/log" && fail "a message at width $width"
        [ "$(wc -c <"$work/shot.png")" -gt 20000 ] || fail "nothing to be seen at width $width"
    done
    [ -n "${VMM_SHOTS:-}" ] && cp "$work/shot.png" "$VMM_SHOTS/"
    return 0
}

if [ $# -ge 2 ]; then
    "$vmm" report "$1" -o "$work/page.html" || exit 1
    same_numbers "$work/page.html" "$2"
    self_contained "$work/page.html"
    opens "$work/page.html"
    [ "$(fact exits "$work/page.html")" -ge "${3:-0}" ] ||
        fail "only $(fact exits "$work/page.html") exits"
    exit $bad
fi

techniques=$("$vmm" run --help | sed -n 's/^Techniques: *//p' | sed 's/(default)//')
traces=
for technique in $techniques; do
    # As Chrome's events some of them: the records are the same.
    case $technique in
    trap | bt | hw) endings='jsonl json' ;;
    *) endings=jsonl ;;
    esac
    for ending in $endings; do
        timeout 60 "$vmm" run -t "$technique" --trace "$work/$technique.$ending" --stats="$work/stats" \
            "$guests/kernel-virt.elf" >/dev/null 2>"$work/err" </dev/null
        [ -s "$work/stats" ] || continue
        "$vmm" report "$work/$technique.$ending" -o "$work/page.html" 2>"$work/err" ||
            fail "$technique.$ending: $(cat "$work/err")"
        same_numbers "$work/page.html" "$work/stats"
        self_contained "$work/page.html"
    done
    traces="$traces $work/$technique.jsonl"
done
# shellcheck disable=SC2086 # a list
"$vmm" report $traces -o "$work/page.html" || fail 'no report of several traces'
count=0
for technique in $techniques; do
    grep -q "<tr><td>$technique: $technique.jsonl</td>" "$work/page.html" || fail "$technique is not compared"
    count=$((count + 1))
done
[ "$(grep -c '<h2 id="run' "$work/page.html")" = $count ] || fail 'runs are missing'
grep -q '<summary><b>' "$work/page.html" && grep -q '<dt>It wants</dt>' "$work/page.html" || fail 'no exit is explained'
opens "$work/page.html"

# Two virtual machines in one trace are two runs.
timeout 60 "$vmm" run -t trap --vm "$guests/hello.elf" --trace "$work/two.jsonl" "$guests/hello.elf" >/dev/null 2>&1 </dev/null
"$vmm" report "$work/two.jsonl" >"$work/page.html" || fail 'no report of two VMs'
[ "$(grep -c '<h2 id="run' "$work/page.html")" = 2 ] || fail 'not two runs'

# ---- mistakes ----

trace=$work/trap.jsonl
refuses() { # STATUS WORDS ARGUMENT...: one line on standard error that has WORDS
    wanted=$1 words=$2
    shift 2
    echo before >"$work/old.html"
    timeout 20 "$vmm" report "$@" -o "$work/old.html" >"$work/out" 2>"$work/err" </dev/null
    status=$?
    [ $status = "$wanted" ] || fail "$*: status $status, not $wanted"
    [ "$(wc -l <"$work/err")" = 1 ] && grep -q "$words" "$work/err" || fail "$*: $(cat "$work/err")"
    grep -qx before "$work/old.html" || fail "$*: the older page is gone"
}
refuses 2 'there is no trace'
refuses 2 "'--bogus' is no option" --bogus
refuses 1 'cannot be opened' "$work/nothing.jsonl"
refuses 1 'is no regular file' "$work"
: >"$work/empty"
refuses 1 'is empty' "$work/empty"
refuses 1 'is no trace' "$guests/hello.elf"
refuses 1 'is no trace' docs/repl.md
head -n 100 "$trace" >"$work/cut"
refuses 1 'is not complete: it has no end' "$work/cut"
head -c 20000 "$trace" >"$work/cut"
refuses 1 'cannot be read from line [0-9]* on' "$work/cut"
sed 5d "$trace" >"$work/cut"
refuses 1 'records are missing' "$work/cut"
sed '5s/"ring":[0-3]/"ring":9/' "$trace" >"$work/edited"
refuses 1 'no good "ring" in line 5' "$work/edited"
sed '1s/"format":1/"format":2/' "$trace" >"$work/newer"
refuses 1 'of format 2' "$work/newer"
refuses 1 'cannot be opened' "$trace" "$work/nothing"
"$vmm" report "$trace" >/dev/full 2>"$work/err" && fail 'a full disk goes unnoticed'
[ "$(wc -l <"$work/err")" = 1 ] || fail "a full disk: $(cat "$work/err")"
[ -n "$browser" ] || echo 'the pages were not opened: there is no Chromium'
exit $bad
