# libvmm: `make` builds everything, `make help` lists the targets, V=1 shows the commands.
#
# What the build needs of the machine comes from build/config.mk, which
# scripts/setup.sh writes; make then reads this file again, so nothing above the
# include may need a compiler. Variants (asan, coverage) are this same makefile with
# another VARIANT, and so another folder for their objects.

.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
# As many jobs as processors, unless the command line says -jN.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif

BUILD := build
VARIANT ?=
OUT := $(BUILD)$(addprefix /,$(VARIANT))
Q := $(if $(V),,@)
say = $(if $(V),,@echo "  $(1)	$(2:$(BUILD)/%=%)")

# Goals that want nothing of the machine; every other one starts with the set-up.
bare_goals := clean distclean help uninstall format format-check docs
ifneq ($(filter-out $(bare_goals),$(or $(MAKECMDGOALS),all)),)
include $(BUILD)/config.mk
endif

# ---- flags ---------------------------------------------------------------------------

CC := $(if $(filter default,$(origin CC)),cc,$(CC))
CFLAGS ?= -O2 -g
WERROR ?= -Werror
variant_asan := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
variant_coverage := -Og --coverage
# Clang's libFuzzer, or a driver of ours: tests/fuzz/run says which.
FUZZ_ENGINE ?= driver
variant_fuzz := $(variant_asan) $(if $(filter libfuzzer,$(FUZZ_ENGINE)),-fsanitize=fuzzer-no-link)
vmm_cflags = -std=gnu17 -fPIC -fvisibility=hidden -Wall -Wextra -Wshadow $(WERROR) \
  -Ilibvmm/include -Ilibvmm -I. $(ENGINE_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(variant_$(VARIANT))
vmm_ldflags = $(LDFLAGS) $(variant_$(VARIANT)) -Wl,--as-needed
library_libs = $(ENGINE_LIBS) -ljansson -lzstd -lpthread -lm
shell_libs = -lreadline -lncursesw -lsmartcols -ldw -lelf

# Public version.h decides; the soname carries the major number.
version_part = $(shell sed -n 's/^\#define VMM_VERSION_$(1) *\([0-9][0-9]*\).*/\1/p' \
  libvmm/include/vmm/version.h 2>/dev/null)
major := $(or $(call version_part,MAJOR),0)
version := $(major).$(or $(call version_part,MINOR),1).$(or $(call version_part,PATCH),0)
soname := libvmm.so.$(major)

# ---- what there is to build ------------------------------------------------------------

# Modules of the VMM to build the library without (docs/modules.md). Their slots are empty then, in
# the tables that name them.
LEAVE_OUT ?=
module_files := $(wildcard interpreter/routines/*.c) dispatcher/decision.c \
  libvmm/arch/x86/deliver.c allocator/shadow_rights.c allocator/nested_entry.c dispatcher/assist.c \
  interpreter/translate/plan.c
module_tables := interpreter/interpreter.c dispatcher/modules.c libvmm/vm/module_deliver.c \
  libvmm/machine/microcode.c libvmm/isa/x86_32_svm.c dispatcher/technique_bare.c \
  allocator/shadow.c allocator/nested.c
unknown_modules := $(filter-out $(module_files),$(LEAVE_OUT))
$(if $(unknown_modules),$(error LEAVE_OUT: '$(unknown_modules)' is no module of the VMM))
without = $(foreach file,$(1),-DWITHOUT_$(basename $(notdir $(file))))

library_sources := $(filter-out $(LEAVE_OUT),$(sort $(wildcard libvmm/*/*.c libvmm/*/*/*.c \
  dispatcher/*.c allocator/*.c interpreter/*.c interpreter/*/*.c)))
shell_sources := $(sort $(wildcard shell/*.c shell/*/*.c))
test_sources := $(sort $(wildcard tests/test_*.c))
support_sources := $(filter-out $(test_sources),$(sort $(wildcard tests/*.c)))
bench_sources := $(sort $(wildcard tests/bench/*.c))
test_scripts := $(sort $(wildcard tests/*.sh))

objects = $(1:%.c=$(OUT)/%.o)
program := $(if $(wildcard shell/main.c),$(OUT)/vmm)
libraries := $(OUT)/libvmm.a $(OUT)/libvmm.so
test_programs := $(test_sources:%.c=$(OUT)/%)
bench_programs := $(bench_sources:tests/bench/%.c=$(OUT)/bench/%)
# What the program and the tests link with: our archives, then the machine's libraries.
test_archives := $(if $(support_sources),$(OUT)/tests/support.a) \
  $(if $(shell_sources),$(OUT)/shell.a) $(OUT)/libvmm.a

.PHONY: all deps guests run check check-mutants check-real check-labs handout autograder guests-real bench research differential boundaries compare-report nightly asan coverage install uninstall \
  docs format format-check clean distclean help FORCE
.DEFAULT_GOAL := all

all: $(libraries) $(program) guests $(if $(VARIANT),,lab-runners)

deps: $(BUILD)/config.mk

$(BUILD)/config.mk: scripts/setup.sh scripts/private-apt.sh
	@scripts/setup.sh config $@

# ---- rules ---------------------------------------------------------------------------

# Objects are made again when the command that makes them has changed, archives when a
# source has come or gone: each of these files changes only with the text in it.
compile_command = $(CC) $(vmm_cflags)
$(OUT)/command: text = $(compile_command)
$(OUT)/sources: text = $(library_sources) $(shell_sources) $(support_sources)
$(OUT)/left-out: text = $(LEAVE_OUT)
$(OUT)/command $(OUT)/sources $(OUT)/left-out: FORCE
	@mkdir -p $(@D)
	@echo '$(text)' | cmp -s - $@ || echo '$(text)' >$@

$(OUT)/%.o: %.c $(OUT)/command
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(compile_command) $(left_out_flags) -MMD -MP -c -o $@ $<

# The tables name the modules that are there.
$(call objects,$(module_tables)): $(OUT)/left-out
$(call objects,$(module_tables)): private left_out_flags = $(call without,$(LEAVE_OUT))

# The formal machines are part of this object (.incbin), which no compiler lists.
$(OUT)/libvmm/theorem/formal_machines.o: $(wildcard libvmm/theorem/machines/*.machine)
# So is the style sheet of reports.
$(OUT)/shell/report/page.o: shell/report/style.css

$(OUT)/libvmm.a: $(call objects,$(library_sources))
# Without main(): a test program has its own.
$(OUT)/shell.a: $(call objects,$(filter-out shell/main.c,$(shell_sources)))
$(OUT)/tests/support.a: $(call objects,$(support_sources))
$(OUT)/%.a: $(OUT)/sources
	$(call say,AR,$@)
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)$(AR) rcs $@ $(filter %.o,$^)

# The engine's own names stay inside: a program may use another Unicorn beside us.
$(OUT)/libvmm.so: $(call objects,$(library_sources)) $(OUT)/sources
	$(call say,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,$(soname) -Wl,--exclude-libs,ALL -Wl,-z,defs -o $@ $(filter %.o,$^) \
	  $(vmm_ldflags) $(library_libs)
	@ln -sf libvmm.so $(@D)/$(soname)

# A lab's module, loaded at the prompt, finds there what it may call.
module_calls := -Wl,--export-dynamic-symbol=vmm_call_* -Wl,--export-dynamic-symbol=vmm_delivery_* \
  -Wl,--export-dynamic-symbol=vmm_frame_* -Wl,--export-dynamic-symbol=vmm_code_* \
  -Wl,--export-dynamic-symbol=vmm_exits_*
$(OUT)/vmm: $(call objects,$(shell_sources)) $(OUT)/libvmm.a
	$(call say,LD,$@)
	$(Q)$(CC) -o $@ $^ $(vmm_ldflags) $(module_calls) $(library_libs) $(shell_libs) -ldl

test_extra_coverage := $(OUT)/tests/coverage/exit.o -Wl,--wrap=_exit
test_extra = $(test_extra_$(VARIANT))
$(OUT)/tests/test_%: $(OUT)/tests/test_%.o $(test_archives) $(filter %.o,$(test_extra))
	$(call say,LD,$@)
	$(Q)$(CC) -o $@ $(filter-out $(test_extra),$^) $(test_extra) $(vmm_ldflags) $(library_libs) $(shell_libs) -lcriterion

$(OUT)/bench/%: $(OUT)/tests/bench/%.o $(OUT)/libvmm.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(vmm_ldflags) $(library_libs)

# A lab's runner is the program that a student's module is loaded into: the VMM without the modules
# that are the student's to write. They are in the archive, and nobody's table wants them there. Of
# the engine it takes x86, which leaves 6 MB of 30.
lab_says = $(shell sed -n 's/^$(2): *//p' labs/$(1)/lab.conf)
labs := $(patsubst labs/%/lab.conf,%,$(wildcard labs/*/lab.conf))
lab_suspects := $(foreach file,$(wildcard labs/solutions/*/suspects/[0-9]*.c),$(OUT)/labs/$(word 3, \
  $(subst /, ,$(file)))/suspect-$(notdir $(file:.c=.so)))
lab_runners := $(if $(VARIANT),,$(foreach lab,$(labs),$(if $(wildcard \
  labs/grader/runner_$(call lab_says,$(lab),runner).c),$(OUT)/labs/$(lab)/runner)) $(lab_suspects))
engine_init = $(foreach set,aarch64 arm m68k mips mips64 mips64el mipsel ppc ppc64 riscv32 riscv64 \
  s390x sparc sparc64 tricore,$(foreach call,uc_init reg_read reg_write,$(call)_$(set)))
lab_ldflags = $(if $(ENGINE_BUNDLED),$(engine_init:%=-Wl,--defsym=%=0)) -Wl,-S -Wl,-z,now \
  $(module_calls)
define lab_rules
$(OUT)/labs/$(1)/%.o: %.c $(OUT)/command labs/$(1)/lab.conf
	$$(call say,CC,$$@)
	@mkdir -p $$(@D)
	$(Q)$$(compile_command) $(call without,$(call lab_says,$(1),leave-out)) -MMD -MP -c -o $$@ $$<
$(OUT)/labs/$(1)/runner: $(module_tables:%.c=$(OUT)/labs/$(1)/%.o) \
  $(call objects,labs/grader/runner_$(call lab_says,$(1),runner).c labs/grader/sandbox.c) $(OUT)/libvmm.a
	$$(call say,LD,$$@)
	$(Q)$$(CC) -o $$@ $$^ $$(vmm_ldflags) $$(lab_ldflags) $$(library_libs) -ldl
-include $(module_tables:%.c=$(OUT)/labs/$(1)/%.d)
endef
$(foreach lab,$(labs),$(if $(filter %/$(lab)/runner,$(lab_runners)),$(eval $(call lab_rules,$(lab)))))
# Modules of a VMM with a mistake, which students are to find.
define suspect_rules
$(OUT)/labs/$(2)/suspect-$(notdir $(1:.c=.so)): $(1) labs/solutions/$(2)/suspects/suspect.h labs/lab.h
	$$(call say,CC,$$@)
	@mkdir -p $$(@D)
	$(Q)$$(CC) -shared $$(vmm_cflags) -fvisibility=default -s -o $$@ $(1)
endef
$(foreach file,$(wildcard labs/solutions/*/suspects/[0-9]*.c),$(eval $(call suspect_rules,$(file),$(word \
  3,$(subst /, ,$(file))))))

# The kernel that a student's file becomes a part of: labs/NN/kernel.
lab_gives := $(patsubst labs/%/kernel/Makefile,%,$(wildcard labs/*/kernel/Makefile))
.PHONY: lab-runners lab-gives
lab-runners: $(lab_runners) lab-gives
lab-gives:
	+$(Q)$(foreach lab,$(lab_gives),$(MAKE) --no-print-directory $(if $(V),,-s) -C labs/$(lab)/kernel \
	  OUT=$(abspath $(OUT))/labs/$(lab)/give $(guest_tools) &&) true

fuzz_driver = $(if $(filter driver,$(FUZZ_ENGINE)),$(OUT)/tests/fuzz/driver.o)
$(OUT)/fuzz_%: $(OUT)/tests/fuzz/fuzz_%.o $(OUT)/tests/fuzz/guest.o $(OUT)/shell.a $(OUT)/libvmm.a $(fuzz_driver)
	$(call say,LD,$@)
	$(Q)$(CC) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(if $(fuzz_driver),,-fsanitize=fuzzer) $(vmm_ldflags) \
	  $(library_libs) $(shell_libs)

.SECONDARY:
-include $(patsubst %.c,$(OUT)/%.d,$(wildcard labs/grader/*.c))
-include $(patsubst %.c,$(OUT)/%.d,$(library_sources) $(shell_sources) $(test_sources) \
  $(support_sources) $(bench_sources))

# A host that is no x86 builds i386 guests with a cross compiler.
guest_tools = $(if $(GUEST_CROSS),GUEST_CC=$(GUEST_CROSS)gcc GUEST_LD=$(GUEST_CROSS)ld \
  GUEST_OBJCOPY=$(GUEST_CROSS)objcopy)
# Guests are the same for every variant; each variant's folder shows them as guests/.
guests:
	$(if $(wildcard tests/guests/Makefile),+$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) -C tests/guests \
	  BUILD=$(abspath $(BUILD)/guests) $(guest_tools))
ifneq ($(VARIANT),)
	@mkdir -p $(OUT) && ln -sfn ../guests $(OUT)/guests
endif

# ---- run, test, measure ----------------------------------------------------------------

# A tour of the first traps of a kernel under trap-and-emulate; on a terminal the prompt stays.
run: all
	@[ -t 0 ] && [ -t 1 ] || batch=-batch; \
	$(OUT)/vmm debug $$batch -x shell/tour.vmm $(BUILD)/guests/kernel-virt.elf

check: $(program) $(OUT)/libvmm.so $(test_programs) guests lab-runners manuals
	@VMM_BUILD=$(abspath $(OUT)) scripts/run-tests $(OUT)/test-logs $(test_programs) $(test_scripts)

# Mistakes made in the VMM on purpose, each of which the audit has to find.
check-mutants: all
	@VMM_BUILD=$(abspath $(OUT)) CC_COMMAND='$(compile_command)' CC_LINK='$(CC)' MUTANTS='$(MUTANTS)' \
	  LINK_LIBS='$(vmm_ldflags) $(library_libs) $(shell_libs)' tests/mutants/run

guests-real:
	@$(addprefix GUEST_CC=,$(addsuffix gcc,$(GUEST_CROSS))) scripts/fetch-guests $(BUILD)/real

# Status 77 of fetch-guests: the guests cannot be had here, which is no failure of ours.
check-real: all $(OUT)/tests/test_sweep
	@VMM_LONG=1 TEST_TIMEOUT=600 scripts/run-tests $(OUT)/test-logs/long $(OUT)/tests/test_sweep
	@$(addprefix GUEST_CC=,$(addsuffix gcc,$(GUEST_CROSS))) scripts/fetch-guests $(BUILD)/real || { status=$$?; [ $$status = 77 ] && exit 0; exit $$status; }; \
	if [ -x tests/real/run ]; then VMM_BUILD=$(abspath $(OUT)) tests/real/run; \
	else echo "skipped: tests/real/run does not exist"; fi

# The labs' own test: starter, reference solution and mutants of each, every step of every README,
# every hostile submission, the whole handout. Of each of these `check` has a sample. And whether a
# submission scores the same however often it is graded: GRADINGS=100 for the claim as it stands.
GRADINGS ?= 5
check-labs: $(program) lab-runners guests
	@VMM_BUILD=$(abspath $(OUT)) labs/check
	@VMM_BUILD=$(abspath $(OUT)) labs/follow-readme
	@VMM_BUILD=$(abspath $(OUT)) labs/repeat --runs $(GRADINGS)
	@VMM_BUILD=$(abspath $(OUT)) VMM_ALL_LABS=1 TEST_TIMEOUT=900 scripts/run-tests \
	  $(OUT)/test-logs/labs tests/test_labs_hostile.sh tests/test_labs_handout.sh \
	  tests/test_labs_results.sh tests/test_labs_hypercalls.sh

# What an instructor hands out (labs/README.md): LABS='02-dispatch 03-interpret' for some of them.
LABS ?=
handout: $(program) lab-runners guests
	@labs/handout students $(OUT) $(OUT)/handout/vmm-labs.tar.gz $(LABS)

autograder: $(program) lab-runners guests
	@for lab in $(or $(LABS),$(labs)); do \
	  labs/handout autograder $(OUT) $(OUT)/handout/autograder-$$lab.zip $$lab || exit 1; done

bench: all $(bench_programs)
	@if [ -x tests/bench/run ]; then VMM_BUILD=$(abspath $(OUT)) tests/bench/run; \
	else echo "tests/bench/run does not exist"; fi
	@VMM_BUILD=$(abspath $(OUT)) tests/bench/classify
	@VMM_BUILD=$(abspath $(OUT)) tests/bench/labs
	@VMM_BUILD=$(abspath $(OUT)) tests/bench/trace
	@$(OUT)/bench/reverse $(OUT)/vmm $(OUT)/guests/spin.elf bare trap bt patch hw hybrid interp

# The page about repeated research, and its chart.
research: all
	@command -v gnuplot >/dev/null || scripts/setup.sh need gnuplot-nox
	$(OUT)/vmm bench --nano --macro --no-time --page docs/research.md --chart docs/research.svg

# The variants share the guests, so these are there before a variant asks for them.
# Ten million random instructions in the interpreter and on the machine: for the night.
DIFFERENTIAL_CASES ?= 10000000
differential: $(OUT)/tests/test_execute_engine $(OUT)/tests/test_interpreter_engine
	@VMM_DIFFERENTIAL_CASES=$(DIFFERENTIAL_CASES) $(OUT)/tests/test_execute_engine
	@VMM_DIFFERENTIAL_CASES=$(DIFFERENTIAL_CASES) $(OUT)/tests/test_interpreter_engine

# Parsers of what others wrote, under random input: for the night, or FUZZ_SECONDS=600.
FUZZ_SECONDS ?= 60
fuzz: deps
	@tests/fuzz/run $(FUZZ_SECONDS)
.PHONY: fuzz

# A thousand jumps into the past of a run, under each technique: for the night, too.
JUMPS ?= 1000
.PHONY: jumps
jumps: $(OUT)/tests/test_snapshot guests
	@VMM_BUILD=$(abspath $(OUT)) VMM_JUMPS=$(JUMPS) $(OUT)/tests/test_snapshot

# An event at every instruction boundary (make check: at every eleventh), under every technique.
boundaries: $(OUT)/tests/test_boundaries guests
	@VMM_BUILD=$(abspath $(OUT)) VMM_BOUNDARIES=1 $(OUT)/tests/test_boundaries

# Every guest under every technique in lockstep with the bare machine: for the night, too.
audits: all
	@scripts/audits $(OUT) $(TECHNIQUES)
.PHONY: audits

# Random sets of intercepts on every guest, and nothing but exits may change: for the night, too.
intercepts: all
	@scripts/intercepts $(OUT) $(GUESTS)
.PHONY: intercepts

# A page with every guest, and Linux if it is there, under every technique.
compare-report: all
	@scripts/compare-report $(OUT) >$(OUT)/compare-report.md && echo "$(OUT)/compare-report.md"

# What takes too long for every day.
nightly: differential boundaries jumps audits intercepts fuzz

asan: guests
	@$(MAKE) --no-print-directory VARIANT=asan check

coverage: guests
	@scripts/setup.sh need gcovr
	@$(MAKE) --no-print-directory VARIANT=coverage coverage-run
	@scripts/coverage $(BUILD)/coverage
.PHONY: coverage-run
coverage-run:
	@find $(OUT) -name '*.gcda' -delete 2>/dev/null || true
	@$(MAKE) --no-print-directory VARIANT=coverage check

# ---- install ---------------------------------------------------------------------------

prefix ?= /usr/local
exec_prefix ?= $(prefix)
bindir ?= $(exec_prefix)/bin
datadir ?= $(prefix)/share
libdir ?= $(exec_prefix)/lib
includedir ?= $(prefix)/include
mandir ?= $(datadir)/man
headers := $(wildcard libvmm/include/vmm/*.h)
# Made from the program's help and the headers' comments.
manuals := $(patsubst docs/man/%.in,$(OUT)/man/%,$(wildcard docs/man/*.in))
completions := $(addprefix $(OUT)/completion/,bash zsh fish)
templates := $(wildcard shell/templates/*/*)
# What students get; solutions stay here.
lab_files := $(wildcard labs/*.h labs/README.md labs/[0-9]*/README.md labs/[0-9]*/lab.conf \
  labs/[0-9]*/starter/* labs/[0-9]*/tests/* labs/[0-9]*/guests/*)
# Kernels that labs run.
lab_kernels := $(BUILD)/guests/kernel.elf $(BUILD)/guests/kernel-virt.elf
# What `vmm bench` measures with.
bench_guests = $(patsubst %,$(BUILD)/guests/%.elf,nano nano-virt nano-para kernel kernel-para) \
  $(BUILD)/guests/disk.bin
private_libs = $(if $(ENGINE_BUNDLED),-L$${libdir}/libvmm) -lunicorn -lcapstone -ljansson -lzstd -lpthread -lm

$(OUT)/libvmm.pc: libvmm.pc.in FORCE
	@mkdir -p $(@D)
	@sed -e 's|@prefix@|$(prefix)|' -e 's|@libdir@|$(libdir:$(prefix)/%=$${prefix}/%)|' \
	  -e 's|@includedir@|$(includedir:$(prefix)/%=$${prefix}/%)|' -e 's|@version@|$(version)|' \
	  -e 's|@private_libs@|$(private_libs)|' libvmm.pc.in >$@

.PHONY: manuals
manuals: $(manuals) $(completions)

$(OUT)/man/%: docs/man/%.in scripts/manual $(program) $(headers)
	$(call say,MAN,$@)
	@mkdir -p $(@D)
	$(Q)scripts/manual $* $(program) >$@

$(OUT)/completion/%: scripts/completion $(program)
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)scripts/completion $* $(program) >$@

# Where the engine is not the machine's own, its archives go along for static linking.
install: $(libraries) $(program) $(OUT)/libvmm.pc lab-runners guests $(manuals) $(completions)
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(libdir)/pkgconfig $(DESTDIR)$(includedir)/vmm
	install -m 644 $(headers) $(DESTDIR)$(includedir)/vmm
	install -m 644 $(OUT)/libvmm.a $(DESTDIR)$(libdir)
	install -m 755 $(OUT)/libvmm.so $(DESTDIR)$(libdir)/libvmm.so.$(version)
	ln -sf libvmm.so.$(version) $(DESTDIR)$(libdir)/$(soname)
	ln -sf $(soname) $(DESTDIR)$(libdir)/libvmm.so
	install -m 644 $(OUT)/libvmm.pc $(DESTDIR)$(libdir)/pkgconfig
	$(if $(program),install -m 755 $(program) $(DESTDIR)$(bindir))
	install -d $(DESTDIR)$(datadir)/vmm/guests
	install -m 644 $(bench_guests) $(DESTDIR)$(datadir)/vmm/guests
	$(foreach file,$(templates),install -D -m 644 $(file) \
	  $(DESTDIR)$(datadir)/vmm/$(file:shell/%=%) &&) true
	$(if $(program),install -m 644 $(lab_kernels) $(DESTDIR)$(datadir)/vmm/guests)
	$(foreach file,$(lab_files),install -D -m 644 $(file) $(DESTDIR)$(datadir)/vmm/$(file) &&) true
	$(foreach file,$(lab_runners),install -D -m 755 $(file) \
	  $(DESTDIR)$(libdir)/libvmm/$(file:$(OUT)/%=%) &&) true
	$(if $(lab_runners),cd $(OUT) && find $(lab_gives:%=labs/%/give) -type f -exec install -D -m 644 \
	  {} $(DESTDIR)$(libdir)/libvmm/{} \;)
	$(if $(ENGINE_BUNDLED),install -d $(DESTDIR)$(libdir)/libvmm)
	$(if $(ENGINE_BUNDLED),install -m 644 $(ENGINE_LIBS) $(DESTDIR)$(libdir)/libvmm)
	$(foreach page,$(manuals),install -D -m 644 $(page) \
	  $(DESTDIR)$(mandir)/man$(subst .,,$(suffix $(page)))/$(notdir $(page)) &&) true
	install -D -m 644 $(OUT)/completion/bash $(DESTDIR)$(datadir)/bash-completion/completions/vmm
	install -D -m 644 $(OUT)/completion/zsh $(DESTDIR)$(datadir)/zsh/site-functions/_vmm
	install -D -m 644 $(OUT)/completion/fish $(DESTDIR)$(datadir)/fish/vendor_completions.d/vmm.fish

uninstall:
	rm -f $(DESTDIR)$(bindir)/vmm $(DESTDIR)$(libdir)/pkgconfig/libvmm.pc
	rm -f $(DESTDIR)$(libdir)/libvmm.a $(DESTDIR)$(libdir)/libvmm.so $(DESTDIR)$(libdir)/libvmm.so.*
	rm -f $(DESTDIR)$(datadir)/bash-completion/completions/vmm
	rm -f $(DESTDIR)$(datadir)/zsh/site-functions/_vmm
	rm -f $(DESTDIR)$(datadir)/fish/vendor_completions.d/vmm.fish
	rm -rf $(DESTDIR)$(includedir)/vmm $(DESTDIR)$(libdir)/libvmm $(DESTDIR)$(datadir)/vmm
	$(foreach page,$(manuals),rm -f \
	  $(DESTDIR)$(mandir)/man$(subst .,,$(suffix $(page)))/$(notdir $(page)) &&) true

# ---- the tree itself -------------------------------------------------------------------

c_files = $(shell git ls-files -co --exclude-standard '*.c' '*.h')
format:
	@scripts/setup.sh need clang-format
	@clang-format -i $(c_files)

format-check:
	@scripts/setup.sh need clang-format
	@clang-format --dry-run -Werror $(c_files)

docs:
	@scripts/setup.sh need doxygen
	@mkdir -p $(BUILD)/docs
	@(cat Doxyfile; echo 'OUTPUT_DIRECTORY = $(BUILD)/docs'; echo 'PROJECT_NUMBER = $(version)') | doxygen -
	@echo "$(BUILD)/docs/html/index.html"

# Fetched things stay: build/deps and build/real cost the network. distclean takes all.
clean:
	@[ ! -d $(BUILD) ] || find $(BUILD) -mindepth 1 -maxdepth 1 \
	  ! -name deps ! -name real ! -name config.mk -exec rm -rf {} +

distclean:
	rm -rf $(BUILD)

help:
	@echo 'all           the libraries, the program and the guests, below build/ (the default)'
	@echo 'run           boot the small kernel, explain its first traps, and leave you at the prompt'
	@echo 'check         build and run all tests'
	@echo 'check-mutants make mistakes in the VMM, which the audit has to find'
	@echo 'check-real    boot kernels that others wrote (fetched into build/real)'
	@echo 'check-labs    of each lab: starter, reference solution and mutants'
	@echo 'handout       the labs for students; autograder: for Gradescope; below build/handout (LABS=...)'
	@echo 'bench         measure against the raw engine and QEMU'
	@echo 'nightly       differential, boundaries, jumps, audits, intercepts and fuzz:'
	@echo 'compare-report  every guest and Linux under every technique: build/compare-report.md'
	@echo 'boundaries    an event at every instruction boundary, under every technique'
	@echo 'intercepts    random sets of intercepts on every guest: nothing but exits may change'
	@echo 'audits        every guest under every technique, compared every 100,000 instructions and after each'
	@echo 'research      repeat published comparisons, and write docs/research.md'
	@echo 'differential  random instructions in the interpreter and on the machine, ten million each'
	@echo 'fuzz          the gdb server, the prompt and the reader of traces under random input, a minute'
	@echo 'jumps         a thousand jumps back in a run of each technique, each compared with a run that never went back'
	@echo 'asan          the tests under AddressSanitizer and UndefinedBehaviorSanitizer'
	@echo 'coverage      line coverage of each room; fails below 85 %'
	@echo 'install       to prefix=$(prefix) (DESTDIR is honoured); uninstall takes it away'
	@echo 'manuals       the manual pages and shell completion, build/man and build/completion'
	@echo 'docs          the API reference, build/docs/html'
	@echo 'format        clang-format over all C files; format-check only looks'
	@echo 'deps          only the set-up; guests, guests-real: only the guests'
	@echo 'clean         what was built; distclean: what was fetched, too'
	@echo 'LEAVE_OUT=interpreter/routines/port.c builds libraries without these modules (BUILD=FOLDER: elsewhere)'
	@echo 'V=1 shows commands, -jN runs N at once (default: all processors), WERROR= lets warnings pass.'
