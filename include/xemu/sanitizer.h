/* What a sanitizer that xemu was built with (MODE=asan) must be told of stacks; without one these do nothing. */
#ifndef XEMU_SANITIZER_H
#define XEMU_SANITIZER_H

#include <stddef.h>

/* The frames on this memory are gone, though no function returned from them. */
void sanitizer_forget_frames(void *stack, size_t size);

struct sanitizer_stack {
    const void *lowest;
    size_t size;
};

/* A thread goes to another stack: it calls `leave` with the new one, then, on that, `enter`, which gives the one
 * that it came from. */
void sanitizer_leave_stack(const struct sanitizer_stack *next);
void sanitizer_enter_stack(struct sanitizer_stack *last);

#endif
