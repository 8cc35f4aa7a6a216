/* A state machine over text: checks and measures JSON byte by byte. */
#include "kernel.h"

#include <string.h>

enum { TEXT = 1 << 20 };

static size_t generate(char *out, size_t size)
{
    uint64_t seed = 11;
    size_t n = 0;
    out[n++] = '[';
    while (n + 200 < size) {
        uint64_t r = kernel_random(&seed);
        n += (size_t)sprintf(
            out + n,
            "{\"id\": %u, \"name\": \"item\\n%x\", \"tags\": [true, false, null], \"x\": %d.%03ue%d},\n",
            (unsigned)(r & 0xffff), (unsigned)(r >> 16 & 0xffff), (int)(r >> 32 & 255) - 128,
            (unsigned)(r >> 40 & 511), (int)(r >> 50 & 15) - 8);
    }
    strcpy(out + n, "0]");
    return n + 2;
}

struct counts {
    uint64_t strings, numbers, words, deepest, bytes;
};

static struct counts scan(const char *text, size_t size)
{
    enum { BETWEEN, STRING, ESCAPE, NUMBER, WORD } state = BETWEEN;
    struct counts counts = {0};
    uint64_t depth = 0;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (state == ESCAPE) {
            state = STRING;
            continue;
        }
        if (state == STRING) {
            counts.bytes++;
            state = c == '\\' ? ESCAPE : c == '"' ? BETWEEN : STRING;
            continue;
        }
        if (state == NUMBER && ((c >= '0' && c <= '9') || c == '.' || c == 'e' || c == '-'))
            continue;
        if (state == WORD && c >= 'a' && c <= 'z')
            continue;
        state = BETWEEN;
        switch (c) {
        case '"':
            counts.strings++;
            state = STRING;
            break;
        case '{':
        case '[':
            if (++depth > counts.deepest)
                counts.deepest = depth;
            break;
        case '}':
        case ']':
            depth--;
            break;
        case '-':
        case '0' ... '9':
            counts.numbers++;
            state = NUMBER;
            break;
        case 'a' ... 'z':
            counts.words++;
            state = WORD;
            break;
        }
    }
    return counts;
}

int main(int argc, char **argv)
{
    static char text[TEXT];
    size_t size = generate(text, sizeof text);
    uint64_t sum = 0;
    for (long round = kernel_count(argc, argv, 70); round > 0; round--) {
        struct counts counts = scan(text, size);
        sum = kernel_mix(sum, counts.strings + counts.numbers * 3 + counts.words * 5 + counts.deepest * 7 +
                                  counts.bytes);
        text[size / 2 + (size_t)round]++;
    }
    return kernel_done(sum);
}
