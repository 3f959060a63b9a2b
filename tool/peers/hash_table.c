/* The hash table of the benchmark in C: open addressing, FNV-1a, 8-byte keys
 * and values. The same algorithm and keys as in tests/domains/bench-hash.
 *
 * Prints a line for each pass: operation, slots, cycles per operation. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

struct slot {
    uint64_t key; /* 0: empty */
    uint64_t value;
};

struct table {
    struct slot *slots;
    uint64_t mask;
};

static inline uint64_t fnv(uint64_t key)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (int byte = 0; byte < 8; byte++) {
        hash ^= key & 0xff;
        hash *= 0x100000001b3;
        key >>= 8;
    }
    return hash;
}

static __attribute__((noinline)) void set(struct table *table, uint64_t key, uint64_t value)
{
    uint64_t index = fnv(key) & table->mask;
    while (table->slots[index].key != 0 && table->slots[index].key != key)
        index = (index + 1) & table->mask;
    table->slots[index].key = key;
    table->slots[index].value = value;
}

static __attribute__((noinline)) int get(const struct table *table, uint64_t key, uint64_t *value)
{
    uint64_t index = fnv(key) & table->mask;
    while (table->slots[index].key != 0) {
        if (table->slots[index].key == key) {
            *value = table->slots[index].value;
            return 1;
        }
        index = (index + 1) & table->mask;
    }
    return 0;
}

/* Key number `number`, never 0: splitmix64 of it, odd. */
static inline uint64_t key_of(uint64_t number)
{
    uint64_t key = (number + 1) * 0x9e3779b97f4a7c15;
    key = (key ^ key >> 30) * 0xbf58476d1ce4e5b9;
    key = (key ^ key >> 27) * 0x94d049bb133111eb;
    return (key ^ key >> 31) | 1;
}

static uint64_t cycles(void)
{
    _mm_lfence();
    uint64_t now = __rdtsc();
    _mm_lfence();
    return now;
}

int main(void)
{
    static const struct { unsigned bits, passes; } sizes[] = {{12, 200}, {16, 40}, {20, 6}};
    uint64_t sum = 0;
    for (size_t size = 0; size < sizeof sizes / sizeof *sizes; size++) {
        uint64_t slots = 1ull << sizes[size].bits, count = slots / 4 * 3;
        struct table table = {malloc(slots * sizeof(struct slot)), slots - 1};
        if (table.slots == NULL)
            return 1;
        for (unsigned pass = 0; pass <= sizes[size].passes; pass++) {
            memset(table.slots, 0, slots * sizeof(struct slot));
            uint64_t start = cycles();
            for (uint64_t number = 0; number < count; number++)
                set(&table, key_of(number), number);
            uint64_t middle = cycles();
            for (uint64_t number = 0; number < count; number++) {
                uint64_t value = 0;
                if (!get(&table, key_of(number), &value))
                    return 2;
                sum += value;
            }
            uint64_t end = cycles();
            if (pass == 0)
                continue; /* only warms caches up */
            printf("set %u %f\n", sizes[size].bits, (double)(middle - start) / count);
            printf("get %u %f\n", sizes[size].bits, (double)(end - middle) / count);
        }
        free(table.slots);
    }
    return sum == 0;
}
