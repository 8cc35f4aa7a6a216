/* The guest's first stack. */
#ifndef LOADER_STACK_H
#define LOADER_STACK_H

#include <xemu/loader.h>

/* Maps the stack and writes strings, auxv, envp, argv and argc as Linux/arm64 does. The image's program and
 * interpreter must be known; sets its stack, argument, auxv and sp fields. Returns 0 or -errno: -E2BIG when
 * the strings do not fit. `phnum` is for AT_PHNUM; `slide` is how far below the top to begin (ASLR). */
int stack_build(struct guest_image *image, char *const argv[], char *const envp[], unsigned phnum,
                uint64_t slide);

#endif
