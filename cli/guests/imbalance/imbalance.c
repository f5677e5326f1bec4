// imbalance: the evaluator of `partition`. Reads what the `improves` policy gives an evaluator
// (length of the input as 8 bytes, little endian; the input; the result), writes by how much the
// two piles differ. Fails on anything that is not a division of exactly these numbers.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    uint64_t length;
    static char input[1 << 16], result[128];
    if (fread(&length, 1, 8, stdin) != 8 || length >= sizeof input) return 1;
    if (fread(input, 1, length, stdin) != length) return 1;
    size_t piles = fread(result, 1, sizeof result, stdin);
    if (piles > 0 && result[piles - 1] == '\n') piles--;
    long long sum = 0;
    size_t count = 0;
    for (char *at = input, *end;; at = end, count++) {
        long long weight = strtoll(at, &end, 10);
        if (end == at || count == 64) break;
        if (count >= piles || (result[count] != '0' && result[count] != '1')) return 1;
        sum += result[count] == '1' ? weight : -weight;
    }
    if (count == 0 || count != piles) return 1;
    printf("%lld\n", llabs(sum));
    return 0;
}
