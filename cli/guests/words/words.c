/*
 * words: a component of the world fog:task/task (verifier/wit/task.wit) that counts words.
 *
 *   split    cuts UTF-8 text into about so many parts, between words
 *   execute  text to lines "word<TAB>count\n", sorted by the word's bytes
 *   merge    such lines of several parts to one such list
 *
 * A word is as in ../wordcount. What it prints to stderr is for people. The functions follow the
 * canonical ABI by hand: a result is {tag, pointer, length}, a list {pointer, length}.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT(name) __attribute__((export_name(name)))
enum { LONGEST_WORD = 256 };

struct list { unsigned char *at; uint32_t length; };
struct result { uint32_t failed; struct list value; };
struct word { const unsigned char *text; uint32_t length; uint64_t count; };

static struct result answer;
static struct word *words;
static size_t used, room;

EXPORT("cabi_realloc")
void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size)
{
    (void)old_size, (void)align;
    void *memory = realloc(old, size ? size : 1);
    if (memory == NULL)
        abort();
    return memory;
}

static struct result *fail(const char *words_for_people)
{
    answer = (struct result){ 1, { (unsigned char *)words_for_people, strlen(words_for_people) } };
    return &answer;
}

static int is_letter(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
}

static int in_word(unsigned char c)
{
    return is_letter(c) || (c >= '0' && c <= '9');
}

static void add(const unsigned char *text, uint32_t length, uint64_t count)
{
    if (used == room) {
        room = room ? room * 2 : 4096;
        words = cabi_realloc(words, 0, 8, room * sizeof *words);
    }
    words[used++] = (struct word){ text, length, count };
}

static int by_text(const void *left, const void *right)
{
    const struct word *a = left, *b = right;
    uint32_t shorter = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->text, b->text, shorter);
    return order ? order : (a->length > b->length) - (a->length < b->length);
}

/* All words added so far as sorted lines, equal ones summed. */
static struct result *lines(void)
{
    qsort(words, used, sizeof *words, by_text);
    size_t bytes = 0, different = 0;
    for (size_t i = 0; i < used; i++)
        bytes += words[i].length + 24;
    unsigned char *out = cabi_realloc(NULL, 0, 1, bytes);
    size_t length = 0;
    for (size_t i = 0; i < used; different++) {
        struct word w = words[i++];
        while (i < used && by_text(&w, &words[i]) == 0)
            w.count += words[i++].count;
        memcpy(out + length, w.text, w.length);
        length += w.length;
        out[length++] = '\t';
        unsigned char digits[20];
        int n = 0;
        for (uint64_t c = w.count; n == 0 || c != 0; c /= 10)
            digits[n++] = (unsigned char)('0' + c % 10);
        while (n > 0)
            out[length++] = digits[--n];
        out[length++] = '\n';
    }
    fprintf(stderr, "%zu different words\n", different);
    answer = (struct result){ 0, { out, length } };
    return &answer;
}

EXPORT("execute")
struct result *execute(unsigned char *text, uint32_t length)
{
    for (uint32_t at = 0; at < length;) {
        if (!is_letter(text[at])) {
            at++;
            continue;
        }
        uint32_t start = at;
        for (; at < length && at - start < LONGEST_WORD && in_word(text[at]); at++)
            if (text[at] >= 'A' && text[at] <= 'Z')
                text[at] += 'a' - 'A';
        add(text + start, at - start, 1);
    }
    return lines();
}

EXPORT("split")
struct result *split(unsigned char *text, uint32_t length, uint32_t parts)
{
    if (parts == 0)
        return fail("into no parts at all");
    struct list *list = cabi_realloc(NULL, 0, 4, ((size_t)parts + 1) * sizeof *list);
    uint32_t step = length / parts + 1, made = 0;
    for (uint32_t at = 0; at < length;) {
        uint32_t end = length - at > step ? at + step : length;
        while (end < length && in_word(text[end - 1]))
            end++;
        list[made++] = (struct list){ text + at, end - at };
        at = end;
    }
    answer = (struct result){ 0, { (unsigned char *)list, made } };
    return &answer;
}

EXPORT("merge")
struct result *merge(struct list *outputs, uint32_t count)
{
    for (uint32_t n = 0; n < count; n++) {
        const unsigned char *at = outputs[n].at, *end = at + outputs[n].length;
        while (at < end) {
            const unsigned char *tab = memchr(at, '\t', end - at);
            if (tab == NULL)
                return fail("a line without a tab");
            uint64_t number = 0;
            const unsigned char *digit = tab + 1;
            for (; digit < end && *digit >= '0' && *digit <= '9'; digit++)
                number = number * 10 + (*digit - '0');
            if (digit == end || *digit != '\n' || digit == tab + 1)
                return fail("a line without a number");
            add(at, tab - at, number);
            at = digit + 1;
        }
    }
    return lines();
}
