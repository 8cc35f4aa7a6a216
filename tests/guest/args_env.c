// dynamic
// args: one two*three $four
/* What a program is started with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>
#include <errno.h>

extern char **environ;

int main(int argc, char **argv)
{
    printf("argc %d\n", argc);
    for (int i = 1; i < argc; i++)
        printf("argv[%d] %s\n", i, argv[i]);
    printf("argv ends with %p\n", (void *)argv[argc]);
    for (char **e = environ; *e; e++)
        if (strncmp(*e, "_=", 2) != 0)
            puts(*e);
    printf("page %lu, tick %lu, phent %lu, secure %lu, flags %lu\n", getauxval(AT_PAGESZ), getauxval(AT_CLKTCK),
           getauxval(AT_PHENT), getauxval(AT_SECURE), getauxval(AT_FLAGS));
    printf("uid %d gid %d\n", getauxval(AT_UID) == getuid(), getauxval(AT_EGID) == getegid());
    const unsigned char *random = (const unsigned char *)getauxval(AT_RANDOM);
    int nonzero = 0;
    for (int i = 0; i < 16; i++)
        nonzero |= random[i];
    printf("random %d\n", nonzero != 0);
    printf("execfn is argv[0]: %d\n", strcmp((const char *)getauxval(AT_EXECFN), argv[0]) == 0);
    printf("stack is aligned: %d\n", ((unsigned long)__builtin_frame_address(0) & 15) == 0);
    return argc;
}
