/*
 * wordcount: a WASI preview 1 command.
 *
 *   stdin   UTF-8 text
 *   stdout  one line a word, "word<TAB>count\n", sorted by the word's bytes
 *
 * A word is a longest run of ASCII letters, ASCII digits that follow a letter, and bytes
 * >= 0x80 (so that words of other alphabets stay whole). ASCII letters are lowered; other
 * bytes are kept as they are. Counts are of 64 bits. Partial results of several chunks are
 * merged by summing the counts of equal words.
 *
 * Exit codes: 0 done, 2 the input could not be read, 3 out of memory, 4 the output could not
 * be written. Nothing depends on addresses, time or a seed: same input, same output, same fuel.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_READ = 2, EXIT_MEMORY = 3, EXIT_WRITE = 4 };
enum { READ_BLOCK = 64 * 1024, FIRST_SLOTS = 4096, LONGEST_WORD = 256 };

struct word {
    const unsigned char *text; /* inside the input buffer, already lowered */
    uint32_t length;           /* bytes, never 0 in a used slot */
    uint32_t hash;
    uint64_t count;
};

static struct word *slots;
static size_t slot_count, used;

static void *checked(void *memory)
{
    if (memory == NULL)
        _Exit(EXIT_MEMORY);
    return memory;
}

/* Reads all of stdin. */
static unsigned char *read_all(size_t *length)
{
    size_t room = READ_BLOCK, have = 0;
    unsigned char *buffer = checked(malloc(room));
    for (;;) {
        if (room - have < READ_BLOCK) {
            room *= 2;
            buffer = checked(realloc(buffer, room));
        }
        ssize_t got = read(0, buffer + have, room - have);
        if (got < 0)
            _Exit(EXIT_READ);
        if (got == 0)
            break;
        have += (size_t)got;
    }
    *length = have;
    return buffer;
}

/* The slot that holds the word, or the free one where it belongs. */
static struct word *find(struct word *table, size_t size, const unsigned char *text,
                         uint32_t length, uint32_t hash)
{
    size_t at = hash & (size - 1);
    while (table[at].length != 0) {
        struct word *w = &table[at];
        if (w->hash == hash && w->length == length && memcmp(w->text, text, length) == 0)
            return w;
        at = (at + 1) & (size - 1);
    }
    return &table[at];
}

static void grow(void)
{
    size_t size = slot_count * 2;
    struct word *table = checked(calloc(size, sizeof *table));
    for (size_t i = 0; i < slot_count; i++)
        if (slots[i].length != 0)
            *find(table, size, slots[i].text, slots[i].length, slots[i].hash) = slots[i];
    free(slots);
    slots = table;
    slot_count = size;
}

static void count_word(const unsigned char *text, uint32_t length)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (uint32_t i = 0; i < length; i++)
        hash = (hash ^ text[i]) * 16777619u;
    struct word *w = find(slots, slot_count, text, length, hash);
    if (w->length == 0) {
        *w = (struct word){ text, length, hash, 0 };
        used++;
    }
    w->count++;
    if (used * 4 > slot_count * 3)
        grow();
}

static int is_letter(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
}

/* Lowers the text in place and counts its words; a word over LONGEST_WORD bytes is cut. */
static void count_all(unsigned char *text, size_t length)
{
    size_t at = 0;
    while (at < length) {
        if (!is_letter(text[at])) {
            at++;
            continue;
        }
        size_t start = at;
        while (at < length && at - start < LONGEST_WORD
               && (is_letter(text[at]) || (text[at] >= '0' && text[at] <= '9'))) {
            if (text[at] >= 'A' && text[at] <= 'Z')
                text[at] += 'a' - 'A';
            at++;
        }
        count_word(text + start, (uint32_t)(at - start));
    }
}

static int by_text(const void *left, const void *right)
{
    const struct word *a = left, *b = right;
    uint32_t shorter = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->text, b->text, shorter);
    if (order != 0)
        return order;
    return a->length < b->length ? -1 : a->length > b->length;
}

static unsigned char out[READ_BLOCK];
static size_t out_length;

static void flush(void)
{
    size_t done = 0;
    while (done < out_length) {
        ssize_t wrote = write(1, out + done, out_length - done);
        if (wrote <= 0)
            _Exit(EXIT_WRITE);
        done += (size_t)wrote;
    }
    out_length = 0;
}

static void emit(const struct word *w)
{
    if (out_length + LONGEST_WORD + 32 > sizeof out)
        flush();
    memcpy(out + out_length, w->text, w->length);
    out_length += w->length;
    out[out_length++] = '\t';
    unsigned char digits[20];
    int n = 0;
    for (uint64_t c = w->count; n == 0 || c != 0; c /= 10)
        digits[n++] = (unsigned char)('0' + c % 10);
    while (n > 0)
        out[out_length++] = digits[--n];
    out[out_length++] = '\n';
}

int main(void)
{
    size_t length;
    unsigned char *text = read_all(&length);
    slot_count = FIRST_SLOTS;
    slots = checked(calloc(slot_count, sizeof *slots));
    count_all(text, length);

    size_t n = 0;
    for (size_t i = 0; i < slot_count; i++)
        if (slots[i].length != 0)
            slots[n++] = slots[i];
    qsort(slots, n, sizeof *slots, by_text);
    for (size_t i = 0; i < n; i++)
        emit(&slots[i]);
    flush();
    return 0;
}
