// partition: divides numbers among two piles as evenly as it can. Reads up to 64 integers, writes a
// line of as many 0s and 1s: the pile of each. Tries 64 random starts from the task's seed, and
// moves whatever makes the piles more even.
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static long long weights[64];
static int count;

static long long difference(uint64_t piles) {
    long long sum = 0;
    for (int at = 0; at < count; at++) sum += piles >> at & 1 ? weights[at] : -weights[at];
    return llabs(sum);
}

int main(void) {
    while (count < 64 && scanf("%lld", &weights[count]) == 1) count++;
    if (count == 0) return 1;
    uint64_t best = 0;
    for (int start = 0; start < 64; start++) {
        uint64_t piles;
        if (getentropy(&piles, sizeof piles) != 0) return 2;
        for (int moved = 1; moved;) {
            moved = 0;
            for (int at = 0; at < count; at++) {
                uint64_t other = piles ^ (uint64_t)1 << at;
                if (difference(other) < difference(piles)) piles = other, moved = 1;
            }
        }
        if (start == 0 || difference(piles) < difference(best)) best = piles;
    }
    for (int at = 0; at < count; at++) putchar(best >> at & 1 ? '1' : '0');
    putchar('\n');
    return 0;
}
