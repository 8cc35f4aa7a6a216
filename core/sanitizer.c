/* Settings for MODE=asan and MODE=tsan, and what they must be told; other builds have no use for this. */
#include <xemu/sanitizer.h>

const char *__asan_default_options(void);
const char *__tsan_default_options(void);
const char *__tsan_default_suppressions(void);

/* What a program holds when it ends is no leak, and a guest may end anywhere. Signals and their stacks are xemu's
 * own. */
const char *__asan_default_options(void)
{
    return "detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_sigill=0:handle_sigfpe=0:use_sigaltstack=0";
}

/* A guest may fork with threads around and start others then. */
const char *__tsan_default_options(void)
{
    return "die_after_fork=0:handle_segv=0:handle_sigbus=0:handle_sigill=0:handle_sigfpe=0:use_sigaltstack=0";
}

/* Compiled code comes to a new block, and by it to its operations and links, over a jump that was patched behind them;
 * the sanitizer sees neither. cpu->stop is volatile for the host's signal handlers, in which its atomics could hang. */
const char *__tsan_default_suppressions(void) { return "race:keep_operations\nrace:emit_link\nrace:ask_readers\n"; }

/* Null unless xemu is built with AddressSanitizer. */
#define WEAK __attribute__((weak))
WEAK void __asan_unpoison_memory_region(const volatile void *at, size_t size);
WEAK void __sanitizer_start_switch_fiber(void **fake_stack, const void *lowest, size_t size);
WEAK void __sanitizer_finish_switch_fiber(void *fake_stack, const void **last_lowest, size_t *last_size);

void sanitizer_forget_frames(void *stack, size_t size)
{
    if (__asan_unpoison_memory_region)
        __asan_unpoison_memory_region(stack, size);
}

void sanitizer_leave_stack(const struct sanitizer_stack *next)
{
    if (__sanitizer_start_switch_fiber)
        __sanitizer_start_switch_fiber(NULL, next->lowest, next->size);
}

void sanitizer_enter_stack(struct sanitizer_stack *last)
{
    if (__sanitizer_finish_switch_fiber)
        __sanitizer_finish_switch_fiber(NULL, &last->lowest, &last->size);
}
