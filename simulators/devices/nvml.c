/* libnvidia-ml.so.1 for machines without a GPU: NVML's names, and behind them the simulated machine at the address in
 * SURPLUSD_SIMULATED_NVML, which is host:port in numbers. One line goes there for each call (name, place of the GPU or its UUID,
 * value), and one comes back: NVML's return code, and up to two values. Each thread has a connection of its own, so that a call
 * that hangs keeps no other. Built by `simulators/devices/nvml_library.py`; names and codes are those of nvidia-ml-py 13.615.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DRIVER_NOT_LOADED 9
#define UNKNOWN 999

typedef void *nvmlDevice_t;

static __thread int line = -1;

static int connected(void) {
    const char *place = getenv("SURPLUSD_SIMULATED_NVML");
    char host[64];
    struct sockaddr_in at = {.sin_family = AF_INET};
    unsigned short port;
    if (line >= 0) return 1;
    if (!place || sscanf(place, "%63[^:]:%hu", host, &port) != 2 || inet_pton(AF_INET, host, &at.sin_addr) != 1) return 0;
    at.sin_port = htons(port);
    line = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (line >= 0 && connect(line, (struct sockaddr *)&at, sizeof at) == 0) return 1;
    close(line);
    line = -1;
    return 0;
}

static void cut(void) {
    close(line);
    line = -1;
}

/* Ask once, with the answer in `first` and `second`, which may be 0. */
static int ask(const char *name, const char *of, unsigned value, char *first, char *second) {
    char text[512], one[256] = "", two[256] = "";
    int length = snprintf(text, sizeof text, "%s %s %u\n", name, of, value), code = UNKNOWN;
    size_t have = 0;
    if (!connected()) return DRIVER_NOT_LOADED;
    if (send(line, text, length, MSG_NOSIGNAL) != length) { cut(); return DRIVER_NOT_LOADED; }
    while (have < sizeof text - 1) {
        ssize_t got = recv(line, text + have, 1, 0);
        if (got <= 0) { cut(); return have ? UNKNOWN : DRIVER_NOT_LOADED; }
        if (text[have++] == '\n') break;
    }
    text[have] = 0;
    if (text[have - 1] != '\n' || sscanf(text, "%d %255s %255s", &code, one, two) < 1) { cut(); return UNKNOWN; }
    if (first) strcpy(first, one);
    if (second) strcpy(second, two);
    return code;
}

static const char *place_of(nvmlDevice_t gpu) {
    static __thread char text[24];
    snprintf(text, sizeof text, "%lu", (unsigned long)gpu - 1);
    return text;
}

static int number(const char *name, nvmlDevice_t gpu, unsigned *value) {
    char text[256];
    int code = ask(name, place_of(gpu), 0, text, 0);
    if (!code) *value = strtoul(text, 0, 10);
    return code;
}

static int text(const char *name, const char *of, char *buffer, unsigned length) {
    char said[256];
    int code = ask(name, of, 0, said, 0);
    if (!code) snprintf(buffer, length, "%s", said);
    return code;
}

static int handle(const char *name, const char *of, nvmlDevice_t *gpu) {
    char said[256];
    int code = ask(name, of, 0, said, 0);
    if (!code) *gpu = (nvmlDevice_t)(strtoul(said, 0, 10) + 1);
    return code;
}

int nvmlInit_v2(void) { return ask("init", "-", 0, 0, 0); }
int nvmlInitWithFlags(unsigned flags) { (void)flags; return nvmlInit_v2(); }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { (void)code; return "simulated error"; }
int nvmlSystemGetDriverVersion(char *to, unsigned length) { return text("driver", "-", to, length); }
int nvmlDeviceGetCount_v2(unsigned *count) { return number("count", (nvmlDevice_t)1, count); }
int nvmlDeviceGetHandleByIndex_v2(unsigned place, nvmlDevice_t *gpu) {
    char of[24];
    snprintf(of, sizeof of, "%u", place);
    return handle("by_index", of, gpu);
}
int nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *gpu) { return handle("by_uuid", uuid, gpu); }
int nvmlDeviceGetUUID(nvmlDevice_t gpu, char *to, unsigned length) { return text("uuid", place_of(gpu), to, length); }
int nvmlDeviceGetName(nvmlDevice_t gpu, char *to, unsigned length) { return text("name", place_of(gpu), to, length); }
int nvmlDeviceGetPersistenceMode(nvmlDevice_t gpu, int *mode) { return number("persistence", gpu, (unsigned *)mode); }
int nvmlDeviceGetPowerUsage(nvmlDevice_t gpu, unsigned *mw) { return number("usage", gpu, mw); }
int nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t gpu, unsigned *mw) { return number("enforced", gpu, mw); }
int nvmlDeviceGetPowerManagementLimit(nvmlDevice_t gpu, unsigned *mw) { return number("limit", gpu, mw); }
int nvmlDeviceGetPowerManagementDefaultLimit(nvmlDevice_t gpu, unsigned *mw) { return number("default", gpu, mw); }
int nvmlDeviceSetPowerManagementLimit(nvmlDevice_t gpu, unsigned mw) { return ask("set", place_of(gpu), mw, 0, 0); }
int nvmlDeviceGetPowerManagementLimitConstraints(nvmlDevice_t gpu, unsigned *lowest_mw, unsigned *highest_mw) {
    char lowest[256], highest[256];
    int code = ask("range", place_of(gpu), 0, lowest, highest);
    if (!code) {
        *lowest_mw = strtoul(lowest, 0, 10);
        *highest_mw = strtoul(highest, 0, 10);
    }
    return code;
}
