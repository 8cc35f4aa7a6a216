# Benchmark kernels: the same source for both architectures. Comments in a kernel name flags of its own, as in
# tests/tests.mk.
KERNELS := $(patsubst benchmarks/kernels/%.c,%,$(wildcard benchmarks/kernels/*.c))

build/bench/arm64/%: benchmarks/kernels/%.c benchmarks/kernel.h
	@mkdir -p $(@D)
	$(call QUIET,CC)$(ARM64_CC) -O2 -Wall -Wextra -Werror -I benchmarks -static -pthread -o $@ $< $(call own_flags,arm64) -lm
build/bench/amd64/%: benchmarks/kernels/%.c benchmarks/kernel.h
	@mkdir -p $(@D)
	$(call QUIET,CC)$(CC) -O2 -Wall -Wextra -Werror -I benchmarks -static -pthread -o $@ $< $(call own_flags,amd64) -lm
build/bench/bench: benchmarks/bench.c
	@mkdir -p $(@D)
	$(call QUIET,CC)$(CC) -std=gnu17 -O2 $(WARN) -D_GNU_SOURCE= -o $@ $< -lm

.PHONY: bench kernels
kernels: $(KERNELS:%=build/bench/arm64/%) $(KERNELS:%=build/bench/amd64/%) build/bench/bench
bench: ## time native, xemu and each qemu-aarch64 and dynarmic that is here (ARGS="kernel... -n runs")
	tools/setup.sh bench
	$(MAKE) -j$(JOBS) $B/xemu kernels $(if $(DYNARMIC),build/peers/dynarmic/run)
	build/bench/bench -x $B/xemu $$(benchmarks/peers/find | sed 's/^/-q /') $(ARGS)

# What system calls cost.
build/calls/arm64: benchmarks/calls.c benchmarks/kernel.h benchmarks/suite/suite.h
	$(call LAB_CC,$(ARM64_CC))
build/calls/amd64: benchmarks/calls.c benchmarks/kernel.h benchmarks/suite/suite.h
	$(call LAB_CC,$(CC))
.PHONY: calls
calls: $B/xemu build/calls/arm64 build/calls/amd64 ## what system calls cost natively, under xemu and qemu-aarch64 (ROUNDS=11)
	benchmarks/calls $(or $(ROUNDS),11)

# The overhead lab: kernels and programs of its own for both architectures, and what runs them.
SUITE    := $(patsubst benchmarks/suite/%.c,%,$(wildcard benchmarks/suite/*.c))
LAB_SRC  := $(filter-out benchmarks/overhead/agent.c,$(wildcard benchmarks/overhead/*.c))
LAB_CC    = $(call QUIET,CC)mkdir -p $(@D) && $1 -O2 -Wall -Wextra -Werror -D_GNU_SOURCE -I benchmarks -static -pthread -o $@ $<
build/lab/arm64/%: benchmarks/kernels/%.c benchmarks/kernel.h
	$(call LAB_CC,$(ARM64_CC)) $(call own_flags,arm64) -lm
build/lab/amd64/%: benchmarks/kernels/%.c benchmarks/kernel.h
	$(call LAB_CC,$(CC)) $(call own_flags,amd64) -lm
build/lab/arm64/%: benchmarks/suite/%.c benchmarks/kernel.h benchmarks/suite/suite.h
	$(call LAB_CC,$(ARM64_CC)) $(call own_flags,arm64) -lm
build/lab/amd64/%: benchmarks/suite/%.c benchmarks/kernel.h benchmarks/suite/suite.h
	$(call LAB_CC,$(CC)) $(call own_flags,amd64) -lm
build/lab/arm64/agent: benchmarks/overhead/agent.c
	$(call LAB_CC,$(ARM64_CC))
build/lab/amd64/agent: benchmarks/overhead/agent.c
	$(call LAB_CC,$(CC))
build/lab/lab: $(LAB_SRC) $(wildcard benchmarks/overhead/*.h)
	@mkdir -p $(@D)
	$(call QUIET,CC)$(CC) -std=gnu17 -O2 -g $(WARN) -D_GNU_SOURCE= -DXEMU_VERSION='"$(VERSION)"' -o $@ $(LAB_SRC) -ljansson -lm
build/lab/xemu-lab.1: build/lab/lab
	$(call QUIET,GEN)$< --help=man >$@

# Dynarmic, where its library is installed.
DYNARMIC := $(wildcard /usr/include/dynarmic/interface/A64/a64.h)
build/peers/dynarmic/run: benchmarks/peers/dynarmic.cpp
	@mkdir -p $(@D)
	$(call QUIET,CXX)$(CXX) -std=c++20 -O2 -Wall -Wextra -Werror \
	    -DDYNARMIC_VERSION='"'$$(dpkg-query -W -f '$${Version}' libdynarmic-dev)'"' -o $@ $< -ldynarmic

.PHONY: lab lab-programs
lab-programs: $(foreach a,arm64 amd64,$(patsubst %,build/lab/$a/%,$(KERNELS) $(SUITE) agent)) build/lab/lab \
              $(if $(DYNARMIC),build/peers/dynarmic/run)
lab: ## what each way of virtualising costs, measured here (ARGS="--quick"; ARGS=--help)
	tools/setup.sh bench lab
	tools/peers.sh
	$(MAKE) -j$(JOBS) $B/xemu lab-programs
	benchmarks/lab $(ARGS)

.PHONY: bench-isa
build/bench/isa: benchmarks/isa/isa.c
	@mkdir -p $(@D)
	$(call QUIET,CC)$(ARM64_CC) -O2 -Wall -Wextra -Werror -static -o $@ $<
bench-isa: $B/xemu $B/tools/vectors build/bench/isa ## AdvSIMD, FP and cryptography, instruction by instruction: xemu and qemu
	benchmarks/isa/run $B
