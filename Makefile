# Builds xemu: `make demo` shows it at work, `make test` proves it, `make help` lists the rest.
VERSION := 0.1.0
MODE    ?= rel
PREFIX  ?= /usr/local
JOBS    := $(shell nproc)
B       := build/$(MODE)

MODE_rel   := -O2 -g -DXEMU_TAIL_CALLS
MODE_dbg   := -O0 -g3 -DXEMU_VERIFY
MODE_asan  := -O1 -g -fno-omit-frame-pointer -fsanitize=address -DXEMU_VERIFY
MODE_ubsan := -O1 -g -fsanitize=undefined -fno-sanitize-recover=undefined -DXEMU_VERIFY
MODE_tsan  := -O1 -g -fsanitize=thread -Wno-tsan -DXEMU_VERIFY
MODE_cov   := -O0 -g --coverage
ifndef MODE_$(MODE)
$(error MODE=$(MODE) is none of rel dbg asan ubsan tsan cov)
endif

# What the tools hold when they end is no leak.
export ASAN_OPTIONS := detect_leaks=0

CFLAGS   ?= $(MODE_$(MODE))
WARN     := -Wall -Wextra -Werror
# The least host: SSE4.2, POPCNT, CMPXCHG16B.
ARCH     := -march=x86-64-v2
CPPFLAGS += -I include -I $B/gen -D_GNU_SOURCE= -DXEMU_VERSION='"$(VERSION)"'
QUIET     = $(if $V,,@echo "$1 $@";)
COMPILE   = $(CC) -std=gnu17 $(ARCH) $(WARN) $(CPPFLAGS) $(CFLAGS) -fPIE -MMD -MP -c -o $@ $<

# A *_dynamic.c goes only into xemu, a *_static.c only into xemu-static, everything else into both.
SRC  := $(wildcard $(foreach d,core frontend-arm64 jit backend-x86_64 syscall loader containers,$d/*.c $d/*.S))
HOST := $(wildcard hostlib/*.c)
OBJ  := $(addprefix $B/,$(addsuffix .o,$(filter-out %_dynamic.c %_static.c,$(SRC))))
DYN  := $(addprefix $B/,$(addsuffix .o,$(filter %_dynamic.c,$(SRC)) $(HOST)))
STAT := $(addprefix $B/,$(addsuffix .o,$(filter %_static.c,$(SRC))))
GEN  := $(addprefix $B/gen/,a64_insn.h a64_rows.inc a64_decode.inc)
TOOL := $(patsubst %.c,$B/%,$(wildcard tools/*.c))
MAN  := $B/xemu.1 build/lab/xemu-lab.1
BIN  := $B/xemu $(if $(filter rel dbg,$(MODE)),$B/xemu-static)

.PHONY: all demo docs install uninstall clean help
all: $(BIN) $(TOOL) $(MAN) ## build xemu, xemu-static, the tools and the man pages

# Libraries that few functions are needed of are in it: finding and relocating them is a tenth of a short program's start.
# Half of the functions are called before the guest begins: one by one they would be bound more slowly.
$B/xemu: $(OBJ) $(DYN)
	$(call QUIET,LINK)$(CC) $(CFLAGS) -pie -Wl,-z,now -o $@ $^ $(LDFLAGS) -l:libelf.a -l:libz.a -l:libjansson.a -ldl -lm

# Static-PIE: the kernel loads it high, so that the guest finds its own low addresses free.
$B/xemu-static: $(OBJ) $(STAT)
	$(call QUIET,LINK)$(CC) $(CFLAGS) -static-pie -o $@ $^ $(LDFLAGS) -lelf -lz -lcapstone -l:libjansson.a -lm

$B/%.c.o: %.c Makefile | $(GEN)
	@mkdir -p $(@D)
	$(call QUIET,CC)$(COMPILE)
$B/%.S.o: %.S Makefile
	@mkdir -p $(@D)
	$(call QUIET,CC)$(COMPILE)
$B/tools/%: tools/%.c Makefile
	@mkdir -p $(@D)
	$(call QUIET,CC)$(CC) -std=gnu17 $(WARN) $(CPPFLAGS) $(CFLAGS) -MMD -MP -o $@ $< -lm
$(GEN) &: frontend-arm64/a64.isa $B/tools/isagen
	@mkdir -p $B/gen
	$(call QUIET,GEN)$B/tools/isagen $< $B/gen
$B/xemu.1: $B/xemu
	$(call QUIET,GEN)$< --help=man >$@

demo: ## fetch real ARM64 programs and run them under xemu
	tools/setup.sh demo
	$(MAKE) -j$(JOBS) $B/xemu
	tools/demo.sh $B/xemu

docs: ## reference pages made from the sources, into build/docs
	tools/docs.sh build/docs

install: all ## install into PREFIX (/usr/local)
	install -D -s -t $(DESTDIR)$(PREFIX)/bin $(BIN)
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 $(MAN)
uninstall: ## remove what install put there
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,$(notdir $(BIN))) \
	    $(addprefix $(DESTDIR)$(PREFIX)/share/man/man1/,$(notdir $(MAN)))
.PHONY: deb
deb: all ## Debian packages xemu and xemu-static, into build/deb
	packaging/deb.sh $B $(VERSION)
clean: ## remove everything that was built; fetched packages stay
	rm -rf $(filter-out build/packages,$(wildcard build/*))
help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24
	@echo '  MODE=rel|dbg|asan|ubsan|tsan|cov chooses the build tree, build/MODE; V=1 shows commands'

include tests/tests.mk tests/vectors/vectors.mk benchmarks/bench.mk
-include $(patsubst %.o,%.d,$(OBJ) $(DYN) $(STAT)) $(addsuffix .d,$(TOOL))
