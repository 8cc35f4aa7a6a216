// dynamic
/* setjmp and longjmp, function pointers, variable arguments, computed goto, alloca, qsort, bsearch. */
#include <alloca.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static jmp_buf buffer;

static void descend(int n)
{
    if (n == 0)
        longjmp(buffer, 42);
    descend(n - 1);
}

static double mixed(const char *types, ...)
{
    va_list args;
    double sum = 0;
    va_start(args, types);
    for (; *types; types++) {
        switch (*types) {
        case 'i':
            sum += va_arg(args, int);
            break;
        case 'd':
            sum += va_arg(args, double);
            break;
        case 'l':
            sum += va_arg(args, long);
            break;
        }
    }
    va_end(args);
    return sum;
}

static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static int interpret(const char *program)
{
    static void *const labels[] = {&&end, &&add, &&twice, &&minus};
    int value = 0;
#define NEXT goto *labels[*program++ - '0']
    NEXT;
add:
    value += 5;
    NEXT;
twice:
    value *= 2;
    NEXT;
minus:
    value = -value;
    NEXT;
end:
    return value;
}

struct pair {
    double a, b;
};
struct big {
    long words[9];
};

static struct pair swap(struct pair p) { return (struct pair){p.b, p.a}; }
static struct big shifted(struct big x)
{
    for (int i = 0; i < 9; i++)
        x.words[i] <<= i;
    return x;
}

int main(void)
{
    volatile int before = 7;
    int got = setjmp(buffer);
    if (!got)
        descend(100);
    printf("longjmp %d, before %d\n", got, before);
    printf("mixed %.3f\n", mixed("iddlidldididididlll", 1, 2.5, 3.25, 4L, 5, 6.125, 7L, 8.0, 9, 10.0, 11, 12.0, 13, 14.0,
                                 15, 16.0, 17L, 18L, 19L));
    int numbers[1000];
    unsigned seed = 7;
    for (int i = 0; i < 1000; i++)
        numbers[i] = (seed = seed * 1664525 + 1013904223) >> 16;
    qsort(numbers, 1000, sizeof *numbers, compare);
    int sorted = 1;
    for (int i = 1; i < 1000; i++)
        sorted &= numbers[i - 1] <= numbers[i];
    printf("sorted %d, found %d\n", sorted, bsearch(&numbers[77], numbers, 1000, sizeof *numbers, compare) != NULL);
    printf("computed %d\n", interpret("112321210"));
    char *room = alloca(1000);
    memset(room, 'x', 1000);
    struct pair p = swap((struct pair){1.5, -2});
    struct big x = shifted((struct big){{1, 1, 1, 1, 1, 1, 1, 1, 1}});
    printf("%c %g %g %ld\n", room[999], p.a, p.b, x.words[8]);
}
