/* Like CoreMark: a linked list that is searched and sorted, small matrices, a state machine over text, and a CRC over
 * what they give. */
#include "kernel.h"

#include <string.h>

enum { ITEMS = 128, SIDE = 16, TEXT = 512 };

struct item {
    struct item *next;
    int16_t key, order;
};

static uint16_t crc(uint16_t sum, uint32_t value)
{
    for (int i = 0; i < 32; i++, value >>= 1)
        sum = (uint16_t)(sum >> 1 ^ (((sum ^ value) & 1) ? 0xa001 : 0));
    return sum;
}

/* --- list --- */

static struct item *merge(struct item *a, struct item *b, int by_key)
{
    struct item head = {0}, *last = &head;
    while (a && b) {
        int first = by_key ? a->key <= b->key : a->order <= b->order;
        last->next = first ? a : b;
        last = last->next;
        if (first)
            a = a->next;
        else
            b = b->next;
    }
    last->next = a ? a : b;
    return head.next;
}

static struct item *sort(struct item *list, int by_key)
{
    if (!list || !list->next)
        return list;
    struct item *slow = list, *fast = list->next;
    while (fast && fast->next) {
        slow = slow->next;
        fast = fast->next->next;
    }
    struct item *second = slow->next;
    slow->next = NULL;
    return merge(sort(list, by_key), sort(second, by_key), by_key);
}

static struct item *reverse(struct item *list)
{
    struct item *done = NULL;
    while (list) {
        struct item *next = list->next;
        list->next = done;
        done = list;
        list = next;
    }
    return done;
}

static uint16_t lists(uint16_t sum, struct item *items, uint64_t *random)
{
    for (int i = 0; i < ITEMS; i++)
        items[i] = (struct item){i + 1 < ITEMS ? &items[i + 1] : NULL, (int16_t)kernel_random(random), (int16_t)i};
    struct item *list = sort(items, 1);
    for (int wanted = 0; wanted < ITEMS; wanted += 8) {
        int place = 0;
        for (struct item *at = list; at && at->order != wanted; at = at->next)
            place++;
        sum = crc(sum, (uint32_t)place);
    }
    list = sort(reverse(list), 0);
    return crc(sum, (uint32_t)list->key);
}

/* --- matrices --- */

static uint16_t matrices(uint16_t sum, uint64_t *random)
{
    static int16_t a[SIDE][SIDE], b[SIDE][SIDE];
    static int32_t c[SIDE][SIDE];
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            a[i][j] = (int16_t)(kernel_random(random) & 255);
            b[i][j] = (int16_t)(kernel_random(random) & 255);
        }
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            c[i][j] = 0;
            for (int k = 0; k < SIDE; k++)
                c[i][j] += a[i][k] * b[k][j];
        }
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++)
            sum = crc(sum, (uint32_t)(c[i][j] >> 2 & 0x7f) * (uint32_t)(c[i][j] >> 5 & 0x3f));
    return sum;
}

/* --- text --- */

enum state { START, SIGN, INTEGER, FRACTION, EXPONENT, WRONG, STATES };

static enum state next_state(enum state state, char c)
{
    int digit = c >= '0' && c <= '9';
    switch (state) {
    case START:
        return digit ? INTEGER : c == '+' || c == '-' ? SIGN : c == '.' ? FRACTION : WRONG;
    case SIGN:
    case INTEGER:
        return digit ? INTEGER : c == '.' ? FRACTION : c == 'e' && state == INTEGER ? EXPONENT : WRONG;
    case FRACTION:
        return digit ? FRACTION : c == 'e' ? EXPONENT : WRONG;
    case EXPONENT:
        return digit || c == '-' ? EXPONENT : WRONG;
    default:
        return WRONG;
    }
}

static uint16_t texts(uint16_t sum, uint64_t *random)
{
    static const char letters[] = "0123456789+-.e,x";
    char text[TEXT];
    uint32_t finals[STATES] = {0};
    for (int i = 0; i < TEXT; i++)
        text[i] = letters[kernel_random(random) % (i % 5 ? 10 : 16)];
    enum state state = START;
    for (int i = 0; i < TEXT; i++) {
        if (text[i] == ',') {
            finals[state]++;
            state = START;
        } else {
            state = next_state(state, text[i]);
        }
    }
    for (int i = 0; i < STATES; i++)
        sum = crc(sum, finals[i]);
    return sum;
}

int main(int argc, char **argv)
{
    static struct item items[ITEMS];
    uint64_t random = 42;
    uint16_t sum = 0;
    for (long round = kernel_count(argc, argv, 8000); round > 0; round--)
        sum = texts(matrices(lists(sum, items, &random), &random), &random);
    return kernel_done(sum);
}
