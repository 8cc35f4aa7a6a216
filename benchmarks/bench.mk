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
bench: ## time native, xemu and qemu-aarch64 (ARGS="kernel... -n runs")
	tools/setup.sh bench
	$(MAKE) -j$(JOBS) $B/xemu kernels
	build/bench/bench -x $B/xemu $(ARGS)
