# Provisional: enough to build the library and its tests.
UNICORN_ROOT ?= $(firstword $(wildcard build/deps /opt/vdeps))
DEPS = $(UNICORN_ROOT)/usr
LIBDIR = $(DEPS)/lib/x86_64-linux-gnu
CFLAGS = -std=gnu17 -O2 -g -fPIC -Wall -Wextra -Wshadow -Werror -Ilibvmm/include -Ilibvmm -I. \
  -I$(DEPS)/include -I$(DEPS)/include/capstone -MMD -MP
LDLIBS = $(LIBDIR)/libunicorn.a $(LIBDIR)/libcapstone.a -ljansson -lpthread -lm
SRC := $(wildcard libvmm/*/*.c libvmm/*/*/*.c dispatcher/*.c allocator/*.c interpreter/*.c interpreter/*/*.c)
OBJ := $(SRC:%.c=build/%.o)
TESTS := $(wildcard tests/test_*.c)
all: build/libvmm.a
build/%.o: %.c
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -c -o $@ $<
build/libvmm.a: $(OBJ)
	@rm -f $@; $(AR) rcs $@ $^
build/tests/%: tests/%.c build/libvmm.a
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -o $@ $< build/libvmm.a $(LDLIBS) -lcriterion
check: $(TESTS:tests/%.c=build/tests/%)
	@for t in $^; do $$t || exit 1; done
clean:
	rm -rf build
-include $(OBJ:.o=.d)
.PHONY: all check clean
