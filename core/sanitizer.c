/* Settings for MODE=asan: the sanitizer's run-time asks for them; other builds have no use for this function. */

const char *__asan_default_options(void);

/* What a program holds when it ends is no leak, and a guest may end anywhere. Signals and their stacks are xemu's
 * own. */
const char *__asan_default_options(void)
{
    return "detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_sigill=0:handle_sigfpe=0:use_sigaltstack=0";
}
