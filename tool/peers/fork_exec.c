/* Starts and awaits a program again and again: fork, exec, wait.
 *
 * Arguments: the program, how often. Prints the nanoseconds of each start; the
 * first, which only warms caches up, is left out. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e9 + now.tv_nsec;
}

int main(int count, char **arguments)
{
    if (count != 3)
        return 1;
    char *program[] = {arguments[1], NULL}, *environment[] = {NULL};
    int rounds = atoi(arguments[2]);
    for (int round = 0; round <= rounds; round++) {
        double start = now_ns();
        pid_t child = fork();
        if (child == 0) {
            execve(program[0], program, environment);
            _exit(127);
        }
        int status;
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
            return 2;
        if (round > 0)
            printf("%f\n", now_ns() - start);
    }
    return 0;
}
