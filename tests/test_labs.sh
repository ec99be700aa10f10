#!/bin/sh
# vmm lab: making a student's folder, grading one submission and a class, the reports, refusals; and
# that the program which a student's module is loaded into lacks the modules he is to write.
# (The labs themselves: test_labs_check.sh; hostile submissions: test_labs_hostile.sh.)
set -u
cd "$(dirname "$0")/.." || exit 1
build=${VMM_BUILD:-$PWD/build}
vmm=$build/vmm
tree=$PWD
case $build in
*/build) ;;
*)
    echo 'skipped: submissions are run by the plain library'
    exit 77
    ;;
esac
command -v python3 >/dev/null || {
    echo 'skipped: python3 reads the results'
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
TMPDIR=$work/tmp
export TMPDIR
mkdir "$TMPDIR"
bad=0
fail() {
    echo "$*"
    bad=1
}
grade() { # LAB FOLDER: into result.json
    "$vmm" lab grade "$1" "$2" --format json -o result.json >out 2>err
}
query() { # EXPRESSION over r, the result
    python3 -c 'import json,sys
r = json.load(open("result.json"))
t = {x["name"]: x for x in r["tests"]}
all_output = r["output"] + "".join(x["output"] for x in r["tests"])
sys.exit(0 if eval(sys.argv[1]) else 1)' "$1"
}
cd "$work" || exit 1
solution=$tree/labs/solutions/03-interpret

# ---- the runner lacks what the student writes ----

for conf in "$tree"/labs/*/lab.conf; do
    lab=$(basename "$(dirname "$conf")")
    [ -f "$tree/labs/grader/runner_$(sed -n 's/^runner: *//p' "$conf").c" ] || continue
    names=$(nm "$build/labs/$lab/runner") || fail "$lab has no runner"
    for file in $(sed -n 's/^leave-out: *//p' "$conf"); do
        for name in $(nm "$build/${file%.c}.o" | sed -n 's/.* [TDR] //p'); do
            echo "$names" | grep -qw "$name" && fail "the runner of $lab has $name, of $file"
        done
    done
done
nm "$build/labs/03-interpret/runner" | grep -qw routine_iret || fail 'the runner of lab 3 lacks IRET'
nm "$build/libvmm.a" 2>/dev/null | grep -q ' T routine_cli$' || fail 'the library lacks CLI'

# ---- a student's way ----

"$vmm" lab list | grep -q '^   3  Lab 3' || fail 'lab list'
"$vmm" lab start 3 >out 2>err || fail "lab start: $(cat err)"
for file in interpret.c README.md Makefile lab.h tests/01-cli.S; do
    [ -f 03-interpret/$file ] || fail "lab start makes no $file"
done
"$vmm" lab start 3 >out 2>err && fail 'lab start goes over a folder'
grade 3 03-interpret && fail 'the starter passes'
query 'r["lab"] == 3 and r["score"] == 0 and r["max_score"] == 36' || fail 'the starter'
query '"Module missing" in t["cli in ring 0"]["output"]' || fail 'the starter is not told why'
grade 3 "$solution" || fail "the reference: $(cat err result.json)"
query 'r["score"] == r["max_score"] and all(x["status"] == "passed" for x in r["tests"])' ||
    fail "the reference: $(cat result.json)"
rm -rf mutant && mkdir mutant
sed -f "$solution/mutants/01-cli-nothing.sed" "$solution/interpret.c" >mutant/interpret.c
grade 3 mutant && fail 'a solution with a mistake passes'
query '36 > r["score"] > 30' || fail "one mistake: $(cat result.json)"
query '"EFLAGS is 0x" in t["cli in ring 0"]["output"] and "(IF)" in t["cli in ring 0"]["output"]' ||
    fail 'the register is not named'

# ---- at the prompt ----

(cd 03-interpret && make -s 01-cli.bin) >log 2>&1 || fail "the guest by itself: $(cat log)"
prompt() { # FOLDER OPTION...: commands by standard input
    folder=$1
    shift
    (cd "$folder" && timeout 60 "$vmm" debug --load flat@0x100000 "$@" "$work/03-interpret/01-cli.bin") >out 2>&1
}
prompt 03-interpret --lab 3 <<'END'
until 4
trap
why
END
grep -q '^Module missing: this virtual machine has no interpreter routine for sti' out &&
    grep -q "Outcome 'missing'" out || fail "the starter at the prompt: $(cat out)"
prompt "$solution" <<'END'
lab
lab start 3
lab
trap cli
lab stop
lab
END
grep -q '^Lab 3: interpret' out && grep -q 'cli = #GP(0x0) -> D-I cli: done; if 1->0' out &&
    [ "$(grep -c "library's own" out)" = 2 ] || fail "the reference at the prompt: $(cat out)"
sed '/outcome sti(/,/^}/s/(void)call;/*(volatile int *)8 = 1;/' 03-interpret/interpret.c >mutant.c
rm -rf mutant && mkdir mutant && mv mutant.c mutant/interpret.c
prompt mutant --lab 3 <<'END'
continue
info registers
END
grep -q 'The module crashed: Segmentation fault' out && grep -q '^eax' out ||
    fail "a crash at the prompt: $(cat out)"
(cd "$TMPDIR" && "$vmm" debug --lab 3 "$build/guests/kernel-virt.elf" -batch </dev/null) >out 2>&1 &&
    fail 'a lab without a file at the prompt'
(cd "$solution" && echo continue | timeout 120 "$vmm" debug --lab 3 "$build/guests/kernel-virt.elf") >out 2>&1
grep -q '^The guest ended with exit code 0' out || fail "a kernel with the reference: $(tail -3 out)"

# A lab with a technique of its own: a translator, under bt.
cd "$TMPDIR" && "$vmm" lab start 7 >out 2>err && (cd 07-translate && make -s 08-pushf.bin) >log 2>&1 ||
    fail "the guest of lab 7: $(cat err log)"
cd "$work" || exit 1
translator() { # FOLDER: commands by standard input
    (cd "$1" && timeout 60 "$vmm" debug --load flat@0x100000 "$TMPDIR/07-translate/08-pushf.bin") >out 2>&1
}
translator "$TMPDIR/07-translate" <<'END'
lab start 7
trap
END
grep -q '^Module missing: this virtual machine has no interpreter.translator' out ||
    fail "the starter of lab 7 at the prompt: $(cat out)"
mkdir -p "$TMPDIR/copied" "$TMPDIR/crashes"
solution7=$tree/labs/solutions/07-translate
sed -f "$solution7/mutants/01-pushf-copied.sed" "$solution7/translate.c" >"$TMPDIR/copied/translate.c"
sed '/^static bool link_exit/,/^}/s/return true;/return *(volatile int *)8;/' "$solution7/translate.c" \
    >"$TMPDIR/crashes/translate.c"
translator "$TMPDIR/copied" <<'END'
lab start 7
until 20
trap
why
translate 0x100085
END
grep -q '^00100085 *pushfd *[0-9a-f]* *pushfd *$' out || fail "a copied pushf at the prompt: $(cat out)"
translator "$TMPDIR/crashes" <<'END'
lab start 7
continue
END
grep -q 'The module crashed: Segmentation fault' out && grep -q '^The guest was interrupted' out ||
    fail "a link that crashes at the prompt: $(cat out)"
# A function of any slot that does not come back, whatever it is that keeps it: the guest stops.
never() { # LAB GUEST FUNCTION STATEMENT WORDS
    rm -rf "$TMPDIR/never" && mkdir "$TMPDIR/never" && cp "$tree"/labs/solutions/0"$1"-*/*.c "$TMPDIR/never"
    sed -i "/^static [a-z_0-9 ]*\\b$3(/,/^}/s/(void)context;/$4/" "$TMPDIR"/never/*.c
    (cd "$TMPDIR/never" && printf 'continue\ninfo registers\n' |
        timeout 60 "$vmm" debug --lab "$1" "$2") >out 2>&1
    grep -q "The module $5" out && grep -q '^eax' out || fail "lab $1, $3 at the prompt: $(tail -5 out)"
}
kernel=$build/guests/kernel-virt.elf
never 9 "$kernel" intercept 'return *(volatile int *)8;' 'crashed: Segmentation fault'
never 9 "$kernel" handle '__builtin_abort();' 'crashed: Aborted'
never 9 "$kernel" window 'return *(volatile int *)8;' 'crashed: Segmentation fault'
never 9 "$kernel" fill 'return fill((char *)context + 1, fault);' 'crashed: Segmentation fault'
never 4 "$kernel" deliver 'return *(volatile int *)8;' 'crashed: Segmentation fault'
never 6 "$kernel" keep '__builtin_trap();' 'crashed: Illegal instruction'
# ^C waits for a function to return, a second one does not.
never 9 "$kernel" handle 'extern int raise(int); raise(2); raise(2); for (volatile int i = 0;; i++);' \
    'did not return and was interrupted'
rm -rf "$TMPDIR"/*

# ---- reports ----

sed -f "$solution/mutants/01-cli-nothing.sed" "$solution/interpret.c" >mutant/interpret.c
"$vmm" lab grade 3 mutant --format tap >out 2>err
grep -q '^1\.\.22$' out && [ "$(grep -c '^ok ' out)" -gt 15 ] &&
    grep -q '^not ok 3 - cli in ring 0 (0 of 2)$' out || fail "TAP: $(cat out)"
"$vmm" lab grade 3 mutant --format junit >out 2>err
python3 - <<'END' || fail "JUnit: $(cat out)"
import sys, xml.etree.ElementTree as tree
suite = tree.parse("out").getroot()
failed = [case.get("name") for case in suite if case.find("failure") is not None]
sys.exit(0 if suite.get("tests") == "22" and int(suite.get("failures")) == len(failed) and "cli in ring 0" in failed else 1)
END
# results.json is there and valid whatever happens: the file is no C, it is missing, the grader is
# killed, it cannot work.
rm -rf mutant && mkdir mutant
echo 'this is no C;' >mutant/interpret.c
grade 3 mutant
query 'r["score"] == 0 and "error" in r["output"] and len(r["tests"]) == 22' || fail 'a build failure'
rm mutant/interpret.c
grade 3 mutant
query 'r["score"] == 0 and "cannot be read" in r["output"]' || fail 'no file'
rm result.json
"$vmm" lab grade 3 "$solution" --format json -o result.json &
grader=$!
while [ ! -e result.json ]; do sleep 0.01; done
kill -KILL $grader
wait $grader 2>/dev/null
query 'r["score"] == 0 and r["max_score"] == 36 and all("was ended before" in x["output"] for x in r["tests"])' ||
    fail "a killed grader: $(head -c 300 result.json)"
# What is not there is named.
mkdir -p mutant
sed 's/"interpreter.sti"/"interpreter.stii"/' "$solution/interpret.c" >mutant/interpret.c
grade 3 mutant
query '"a name in lab_modules is no module" in t["lgdt"]["output"]' || fail 'a slot that is none'
sed '/outcome cli(/,/^}/s/(void)context;/extern void helper(void); helper();/' "$solution/interpret.c" >mutant/interpret.c
grade 3 mutant
query '"The file calls helper" in r["output"]' || fail 'a function that is nowhere'
rm -rf "$TMPDIR"/*
CC=/nowhere/cc grade 3 "$solution"
query 'r["score"] == 0 and "compiler cannot be run" in r["output"]' || fail 'no compiler'
GUEST_CC=/nowhere/cc grade 3 "$solution"
query 'r["score"] == 0 and "Not graded" in r["output"]' || fail 'no assembler'
# Hidden tests come on top, and say so.
mkdir more && cp "$tree/labs/03-interpret/tests/guest.inc" more
sed 's/name: cli in ring 0/name: another cli/' "$tree/labs/03-interpret/tests/01-cli.S" >more/99.S
"$vmm" lab grade 3 "$solution" --hidden more --format json -o result.json >out 2>err || fail 'hidden tests'
query 'r["score"] == 38 and t["another cli"]["visibility"] == "after_published"' || fail 'a hidden test'

# ---- a class ----

# With a few of the tests: 5 points.
mkdir class few
cp "$tree"/labs/03-interpret/tests/guest.inc "$tree"/labs/03-interpret/tests/0[123]-*.S few
for name in ada bob "cy d"; do
    mkdir "class/$name"
    cp "$solution/interpret.c" "class/$name"
done
cp 03-interpret/interpret.c class/bob
mkdir class/empty
"$vmm" lab grade 3 --class class --tests few >out 2>err || fail "a class: $(cat err)"
grep -q '^4 graded now' out || fail "a class: $(cat out)"
grep -q '^"ada",5,5,2,' class.results/scores.csv && grep -q '^"cy d",5,5,' class.results/scores.csv &&
    grep -q '^"bob",0,5,0,' class.results/scores.csv && grep -q '^"empty",0,5,0,' class.results/scores.csv ||
    fail "scores.csv: $(cat class.results/scores.csv)"
grep -q '^"cli in ring 0",2,4,2,1$' class.results/tests.csv || fail "tests.csv: $(cat class.results/tests.csv)"
# Once more: nothing is done again, but for a submission that is new, and one that has changed.
cp class.results/ada.json before
mkdir class/eve && cp "$solution/interpret.c" class/eve
sleep 0.01
cp "$solution/interpret.c" class/bob
"$vmm" lab grade 3 --class class/ --tests few >out 2>err || fail "a class again: $(cat err)"
grep -q '^2 graded now' out && cmp -s before class.results/ada.json || fail "again: $(cat out)"
grep -q '^"bob",5,5,' class.results/scores.csv || fail 'what was handed in again is not graded'
# Killed midway, and started again: every result once.
for i in 1 2 3 4 5 6 7 8 9; do
    cp -r class/ada "class/s$i"
done
setsid "$vmm" lab grade 3 --class class --tests few --jobs 2 >out 2>err &
grader=$!
while [ ! -e class.results/s2.json ]; do sleep 0.01; done
kill -KILL -$grader # and all that it has started
wait $grader 2>/dev/null
there=$(find class.results -name 's*.json' | wc -l)
[ "$there" -lt 9 ] || fail 'it was not killed midway'
stat -c '%n %y' class.results/s?.json >before
"$vmm" lab grade 3 --class class --tests few >out 2>err || fail "a class, resumed: $(cat err)"
stat -c '%n %y' class.results/s?.json >after
[ "$(comm -12 before after | wc -l)" -ge "$there" ] || fail 'results were made again'
[ "$(grep -c '^"s[1-9]",5,5,' class.results/scores.csv)" = 9 ] || fail 'results were lost'
find class.results -name '*.part' | grep . && fail 'half a result is left'

# ---- modules for an audit ----

"$vmm" lab start 10 >out 2>err && cd 10-equivalence && make -s VMM="$vmm" audit-3 >../out 2>../err
cd "$work" || exit 1
grep -q '^Equivalence *FAILS' out && grep -q 'in_dx' out || fail "an audit with modules: $(cat out err)"
"$vmm" audit --modules result.json --load flat@0x100000 03-interpret/01-cli.bin >out 2>err
[ $? = 1 ] && [ "$(wc -l <err)" = 1 ] && grep -q 'has no modules' err || fail "no modules: $(cat err)"

# ---- refusals ----

refuses() { # STATUS ARGUMENT...
    wanted=$1
    shift
    "$vmm" lab "$@" >out 2>err
    status=$?
    [ $status = "$wanted" ] && [ "$(wc -l <err)" = 1 ] && [ ! -s out ] ||
        fail "lab $*: status $status, $(cat out err)"
}
refuses 2
refuses 2 grade
refuses 2 grade 99
refuses 2 grade x
refuses 2 grade 3 a b
refuses 2 grade 3 --format xml
refuses 2 grade 3 --frmat
refuses 2 grade 3 -o
refuses 2 grade 3 --jobs 2
refuses 2 grade 3 --class class --jobs 0
refuses 2 grade 3 class --class class
refuses 1 grade 3 --class /nowhere
refuses 1 grade 3 /nowhere
refuses 1 grade 3 "$solution" --tests /nowhere
refuses 1 grade 3 "$solution" --hidden /nowhere
refuses 1 grade 3 "$solution" -o /nowhere/x
"$vmm" lab --help | grep -q '^Usage: vmm lab' || fail 'lab --help'
exit $bad
