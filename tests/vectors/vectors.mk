# Vectors: instructions with expected values. See tools/vectors.c for the notation.
MACHINE := build/vectors/machine
QEMU    ?= qemu-aarch64 -cpu max,pauth=off
export LLVM_MC ?= $(lastword $(sort $(wildcard /usr/bin/llvm-mc-*)))

$B/tools/vectors $B/tools/sweep: $B/tools/%: tools/%.c $B/frontend-arm64/decode.c.o
$B/tools/against_llvm: tools/against_llvm.c $B/frontend-arm64/decode.c.o $B/frontend-arm64/features.c.o
$B/tools/vectors $B/tools/sweep $B/tools/against_llvm:
	@mkdir -p $(@D)
	$(call QUIET,CC)$(CC) -std=gnu17 $(WARN) $(CPPFLAGS) $(CFLAGS) -MMD -MP -o $@ $(filter %.c %.o,$^)

# Without a C library, and with the instructions at a fixed place in the reach of a branch (machine.h).
$(MACHINE): tests/vectors/machine.c tests/vectors/machine.h tests/vectors/system_call.h
	@mkdir -p $(@D)
	$(call QUIET,CC)$(ARM64_CC) -O2 -Wall -Wextra -Werror -static -nostdlib -ffreestanding -fno-stack-protector \
	    -fno-tree-loop-distribute-patterns -Wl,-Ttext-segment=0x10020000,--defsym=code=0x10010800 -o $@ $<
# In the reach of a branch from its slots (sweep.c).
build/vectors/sweep: tests/vectors/sweep.c tests/vectors/system_call.h
	@mkdir -p $(@D)
	$(call QUIET,CC)$(ARM64_CC) -O2 -Wall -Wextra -Werror -static -nostdlib -ffreestanding -fno-stack-protector \
	    -fno-tree-loop-distribute-patterns -Wl,-Ttext-segment=0xa000000 -o $@ $<
guest-programs: $(MACHINE) build/vectors/sweep

# How compiled code executes each row, by the back end itself.
$B/tools/lowered: tools/lowered.c $(UNITLIB)
	@mkdir -p $(@D)
	$(call QUIET,CC)$(CC) -std=gnu17 $(WARN) $(CPPFLAGS) $(CFLAGS) -fPIE -pie -MMD -MP -o $@ \
	    $(filter %.c %.o,$^) $(LDFLAGS) -lcapstone -lelf -l:libjansson.a -ldl -lm
$B/lowered.txt: $B/tools/lowered
	$(call QUIET,GEN)$< >$@

docs: build/docs/isa.md
.PHONY: build/docs/isa.md
build/docs/isa.md: $B/tools/vectors $B/lowered.txt
	@mkdir -p $(@D)
	$(call QUIET,DOC)$< document tests/vectors/*.vec -- $B/lowered.txt >$@

.PHONY: vectors streams
vectors: $B/tools/vectors $(MACHINE) ## make vectors for new rows of a64.isa, and complete lines without "=>"
	$< propose tests/vectors
	$< make tests/vectors/*.vec -- $(QEMU) $(MACHINE)
# By hand: make streams N=1000000 SEED=7 ENGINE=ir
streams: $B/tools/vectors $(MACHINE) $B/xemu
	$< stream $(or $(SEED),1) $(or $(N),100000) -- $(QEMU) $(MACHINE) \
	    -- $B/xemu --cpu=max-pauth --engine=$(or $(ENGINE),interp) $(MACHINE)
