/* Records, strings, small procedures and branches in the manner of system programs of old. */
#include "kernel.h"

#include <string.h>

enum kind { KIND_ONE, KIND_TWO, KIND_THREE, KIND_FOUR };

struct record {
    struct record *next;
    enum kind kind;
    int number;
    char text[31];
};

static int globals[50], grid[50][50];

static enum kind __attribute__((noinline)) classify(int n, enum kind kind)
{
    switch (kind) {
    case KIND_ONE:
        return n > 100 ? KIND_ONE : KIND_FOUR;
    case KIND_TWO:
        return n % 2 ? KIND_THREE : KIND_TWO;
    case KIND_THREE:
        return KIND_TWO;
    default:
        return n < 0 ? KIND_THREE : KIND_ONE;
    }
}

static void __attribute__((noinline)) update(struct record *record, int n)
{
    struct record *other = record->next;
    *other = *record;
    other->next = record;
    other->number = n + record->number;
    other->kind = classify(other->number, record->kind);
    if (other->kind == KIND_TWO)
        other->text[n % 30] = (char)('a' + n % 26);
    record->number = (other->number * 3 + 7) % 1000;
}

static int __attribute__((noinline)) table(int n)
{
    int at = n % 40 + 3;
    globals[at] = n;
    globals[at + 1] = globals[at];
    grid[at][at] += globals[at + 1] % 17;
    grid[at][at - 1] += 1;
    return grid[at][at] - grid[at][at - 1];
}

int main(int argc, char **argv)
{
    static struct record first, second;
    uint64_t sum = 0;
    first = (struct record){&second, KIND_ONE, 40, "A STRING OF THIRTY CHARACTERS"};
    for (long n = kernel_count(argc, argv, 16000000); n > 0; n--) {
        char text[31];
        update(&first, (int)(n % 1000));
        if (n % 16 == 0) {
            strcpy(text, second.text);
            text[n % 28] = 'X';
            sum += strcmp(text, first.text) < 0;
        }
        sum += (uint64_t)table((int)n) + second.kind;
    }
    return kernel_done(sum);
}
