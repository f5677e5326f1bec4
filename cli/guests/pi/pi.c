// pi: estimates pi by throwing points at a quarter of a circle. Reads how many points (1 to
// 100,000,000), writes the estimate with six decimals. One run's standard deviation is
// 4 sqrt(p (1 - p) / n) with p = pi / 4: 1.6422 / sqrt(n).
//
// Integers only: coordinates are 16 bits, and every point comes from the task's seed.
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

int main(void) {
    unsigned long points = 0;
    if (scanf("%lu", &points) != 1 || points < 1 || points > 100000000) {
        fputs("give the number of points\n", stderr);
        return 1;
    }
    unsigned long inside = 0, left = points;
    static uint16_t random[128];
    while (left > 0) {
        if (getentropy(random, sizeof random) != 0) return 2;
        for (size_t at = 0; at < 128 && left > 0; at += 2, left--) {
            uint64_t x = 2 * (uint64_t)random[at] + 1, y = 2 * (uint64_t)random[at + 1] + 1;
            if (x * x + y * y <= (uint64_t)1 << 34) inside++;
        }
    }
    unsigned long long estimate = 4000000ULL * inside / points;
    printf("%llu.%06llu\n", estimate / 1000000, estimate % 1000000);
    return 0;
}
