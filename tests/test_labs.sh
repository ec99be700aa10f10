#!/bin/sh
# The labs and their grader: the reference solution has every point, the starter none, each mutant
# (the reference with one mistake) loses points in the test it has to fail; and whatever a hostile
# submission does, it is worth nothing, is told why, and leaves nothing behind.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${VMM_BUILD:-$PWD/build}
vmm=$build/vmm
tree=$PWD
case $build in
*/build) ;;
*)
    echo 'skipped: submissions are linked with the plain library'
    exit 77
    ;;
esac
command -v python3 >/dev/null || {
    echo 'skipped: python3 reads the results'
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
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

"$vmm" lab list | grep -q '^   3  Lab 3' || fail 'lab list'
"$vmm" lab start 3 >out 2>err || fail "lab start: $(cat err)"
[ -f 03-interpret/interpret.c ] && [ -f 03-interpret/README.md ] || fail 'lab start makes no lab'
"$vmm" lab start 3 >out 2>err && fail 'lab start goes over a folder'

grade 3 03-interpret && fail 'the starter passes'
query 'r["lab"] == 3 and r["score"] == 0 and r["max_score"] == 36' || fail 'the starter'
query '"Module missing" in t["cli in ring 0"]["output"]' || fail 'the starter is not told why'
solution=$tree/labs/solutions/03-interpret
grade 3 "$solution" || fail "the reference: $(cat err result.json)"
query 'r["score"] == r["max_score"] and all(x["status"] == "passed" for x in r["tests"])' ||
    fail "the reference: $(cat result.json)"
(cd 03-interpret && make -s 01-cli.bin && "$vmm" run --load flat@0x100000 01-cli.bin) >log 2>&1
[ $? = 3 ] || fail "the guest by itself: $(cat log)"

mkdir mutant hostile
for mutant in "$solution"/mutants/*.sed; do
    sed -f "$mutant" "$solution/interpret.c" >mutant/interpret.c
    cmp -s mutant/interpret.c "$solution/interpret.c" && fail "${mutant##*/} changes nothing"
    test=$(sed -n 's/^# fails: //p' "$mutant")
    rm -rf one && mkdir one && cp "$tree/labs/03-interpret/tests/guest.inc" one
    cp "$(grep -lx "/\* name: $test" "$tree"/labs/03-interpret/tests/*.S)" one
    "$vmm" lab grade 3 mutant --tests one --format json -o result.json >out 2>err &&
        fail "${mutant##*/} passes '$test'"
    query "r['score'] == 0 and 'Instruction ' in t['$test']['output']" ||
        fail "${mutant##*/} has to fail '$test': $(cat result.json)"
done
sed -f "$solution/mutants/01-cli-nothing.sed" "$solution/interpret.c" >mutant/interpret.c
grade 3 mutant && fail 'a solution with a mistake passes'
query '36 > r["score"] > 30' || fail "one mistake: $(cat result.json)"
query '"EFLAGS is 0x" in t["cli in ring 0"]["output"] and "(IF)" in t["cli in ring 0"]["output"]' ||
    fail 'the register is not named'

# hostile WORDS C: a file whose code runs when it is loaded; its points and the reason are looked at.
hostile() {
    {
        echo '#define _GNU_SOURCE'
        printf '#include <%s>\n' stdlib.h stdio.h unistd.h string.h fcntl.h signal.h sys/syscall.h
        cat "$tree/labs/03-interpret/starter/interpret.c"
        printf '__attribute__((constructor)) static void evil(void)\n{\n    %s\n}\n' "$2"
    } >hostile/interpret.c
    grade 3 hostile && fail "hostile: $2 passes"
    query "r['score'] == 0 and '$1' in all_output" || fail "hostile: $2: $(head -c 1500 result.json)"
}
# One test is enough for most of them: each test is a process of its own.
rm -rf one && mkdir one
cp "$tree/labs/03-interpret/tests/01-cli.S" "$tree/labs/03-interpret/tests/guest.inc" one
only_one() {
    grade() { "$vmm" lab grade "$1" "$2" --tests one --format json -o result.json >out 2>err; }
}
hostile 'ended the process itself, with status 0' 'exit(0);'
hostile 'ended the process itself, with status 0' '_exit(0);'
only_one
hostile 'crashed: Segmentation fault' '*(volatile int *)8 = 1;'
hostile 'crashed: Aborted' 'abort();'
hostile 'Module missing' 'puts("{\"score\":36,\"max_score\":36,\"tests\":[]}"); fflush(stdout);'
hostile 'channel itself' 'char fake[4096]; memset(fake, 1, sizeof fake); if (write(3, fake, sizeof fake) < 0) abort();'
hostile 'crashed: Killed' 'raise(SIGKILL); kill(getpid(), SIGKILL); for (;;) syscall(SYS_tgkill, getpid(), getpid(), SIGKILL);'
hostile 'Module missing' 'if (fork() == 0) for (;;) pause();'
hostile 'Module missing' 'int f = open("'"$work"'/trace", O_CREAT | O_WRONLY, 0600); if (f >= 0) close(f);'
hostile 'Module missing' 'if (system("touch '"$work"'/trace") == 0) abort();'
hostile 'Module missing' 'kill(getppid(), SIGKILL); kill(-1, SIGTERM);'
hostile 'Module missing' 'unlink("'"$work"'/out");'
hostile 'The file calls vmm_create' 'struct vmm_error e; vmm_create(0, &e);'
hostile 'error' 'this is no C;'
hostile 'never returns' 'for (volatile int i = 0;; i++);'
[ ! -e trace ] || fail 'a submission wrote a file'
[ -f out ] || fail 'a submission removed a file'
sed '/outcome cli(/,/^}/s/return missing();/return (struct vmm_outcome){.kind = VMM_OUTCOME_STANDARD};/' \
    "$tree/labs/03-interpret/starter/interpret.c" >hostile/interpret.c
grade 3 hostile
query 'r["score"] == 0 and "Module missing" in all_output' || fail 'the library does the work'
[ -z "$(ls "$TMPDIR")" ] || fail "left behind: $(ls "$TMPDIR")"

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
refuses 1 grade 3 /nowhere
refuses 1 grade 3 "$solution" --tests /nowhere
"$vmm" lab --help | grep -q '^Usage: vmm lab' || fail 'lab --help'
exit $bad
