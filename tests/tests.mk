# The tests: unit tests (Criterion), then the table-driven suites of tests/run.sh.

# One binary for each folder of unit tests, linked with everything but main().
UNIT    := $(patsubst tests/%/,$B/unit/%,$(sort $(dir $(foreach d,core frontend-arm64 jit backend-x86_64 \
             syscall loader containers hostlib tools benchmarks golden,$(wildcard tests/$d/*.c)))))
UNITLIB := $(filter-out $B/core/main.c.o,$(OBJ)) $(DYN)

.SECONDEXPANSION:
$(UNIT): $B/unit/%: $$(addprefix $B/,$$(addsuffix .o,$$(wildcard tests/$$*/*.c))) $(UNITLIB)
	@mkdir -p $(@D)
	$(call QUIET,LINK)$(CC) $(CFLAGS) -pie -o $@ $^ $(LDFLAGS) -lcriterion -lcapstone -lelf -l:libjansson.a -ldl -lm
$B/unit/benchmarks: $B/benchmarks/overhead/stats.c.o
-include $(patsubst %,$B/%.d,$(wildcard tests/*/*.c))

# Programs that run both natively and under xemu. A program says what it needs in comments on lines of their
# own: "// flags: -O3", "// flags-arm64: -march=armv8-a".
ARM64_CC := aarch64-linux-gnu-gcc
own_flags = $$(sed -n 's,^// flags\(-$1\)\?: ,,p' $<)

build/guest/arm64/%: tests/guest/%.c $(wildcard tests/guest/*.h)
	@mkdir -p $(@D)
	$(call QUIET,CC)$(ARM64_CC) -O2 -w -D_GNU_SOURCE -static -pthread -o $@ $< $(call own_flags,arm64) -lm
build/guest/arm64-dynamic/%: tests/guest/%.c $(wildcard tests/guest/*.h)
	@mkdir -p $(@D)
	$(call QUIET,CC)$(ARM64_CC) -O2 -w -D_GNU_SOURCE -pthread -o $@ $< $(call own_flags,arm64) -lm
build/guest/amd64/%: tests/guest/%.c $(wildcard tests/guest/*.h)
	@mkdir -p $(@D)
	$(call QUIET,CC)$(CC) -O2 -w -D_GNU_SOURCE -static -pthread -o $@ $< $(call own_flags,amd64) -lm

GUEST := $(patsubst tests/guest/%.c,%,$(wildcard tests/guest/*.c))
ONLY  := $(patsubst tests/guest/%.c,%,$(shell grep -l '^// arm64-only' tests/guest/*.c 2>/dev/null))
guest-programs: $(GUEST:%=build/guest/arm64/%) $(GUEST:%=build/guest/arm64-dynamic/%) \
                $(patsubst %,build/guest/amd64/%,$(filter-out $(ONLY),$(GUEST)))

.PHONY: test test-long stress test-containers unit guest-programs check golden
unit: $(UNIT)
golden: $B/unit/golden ## write tests/golden/*.txt anew: IR and host code of each instruction
	GOLDEN_WRITE=1 $B/unit/golden
test: ## install what is missing, build, and run every suite
	tools/setup.sh test
	$(MAKE) -j$(JOBS) all unit guest-programs
	tests/run.sh $(MODE) $(SUITES)
check: all unit guest-programs ## the same with what is installed; SUITES="cli guest" chooses
	tests/run.sh $(MODE) $(SUITES)
test-long: ## also fuzzers and exhaustive checks (an hour)
	tools/setup.sh test long
	$(MAKE) -j$(JOBS) all unit guest-programs
	tests/run.sh $(MODE) long
stress: all guest-programs ## threads, forks, signals and code that comes and goes for TIME=60 seconds, watched for leaks
	tests/guest/stress $(or $(TIME),60)
test-containers: ## whole Debian systems in every kind of container, as root (15 minutes)
	tools/setup.sh test containers
	$(MAKE) -j$(JOBS) all guest-programs
	tests/run.sh $(MODE) with-containers
