/* NVML's functions as far as this project asks them, answered from the text file that NVML_STUB_STATE names.

   driver VERSION
   gpu NAME|UUID|TOTAL|RESERVED|FREE|MAJOR|MINOR|ECC|MIG|MEMORY     ECC, MIG: 0, 1, or -1 for not supported; MEMORY: 0 for not
   process GPU PID USED NAME
   instance GPU NAME|UUID|TOTAL|RESERVED|FREE

   The file is read at each nvmlInitWithFlags. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUCCESS 0
#define NOT_SUPPORTED 3
#define NOT_FOUND 6
#define INSUFFICIENT_SIZE 7
#define DRIVER_NOT_LOADED 9
#define MOST 16

#define IN_INSTANCE 1000 /* from this number on, a process's GPU is an instance, in the order of the file */
typedef struct { unsigned long long total, reserved, free; int major, minor, ecc, mig, memory, parent; char name[96], uuid[96]; } gpu_t;
typedef struct { unsigned gpu, pid; unsigned long long used; char name[256]; } process_t;
typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory_v2_t;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } info_t;

static gpu_t gpus[MOST], instances[MOST];
static process_t processes[MOST];
static unsigned gpu_count, instance_count, process_count;
static char driver[80];

int nvmlInitWithFlags(unsigned flags) {
  (void)flags;
  const char *path = getenv("NVML_STUB_STATE");
  FILE *file = path ? fopen(path, "r") : NULL;
  if (!file) return DRIVER_NOT_LOADED;
  char line[1024];
  gpu_count = instance_count = process_count = 0;
  while (fgets(line, sizeof line, file)) {
    gpu_t *g;
    process_t *p = &processes[process_count];
    if (sscanf(line, "driver %79s", driver) == 1) continue;
    g = &gpus[gpu_count];
    if (sscanf(line, "gpu %95[^|]|%95[^|]|%llu|%llu|%llu|%d|%d|%d|%d|%d", g->name, g->uuid, &g->total, &g->reserved, &g->free,
               &g->major, &g->minor, &g->ecc, &g->mig, &g->memory) == 10) { gpu_count++; continue; }
    if (sscanf(line, "process %u %u %llu %255[^\n]", &p->gpu, &p->pid, &p->used, p->name) == 4) { process_count++; continue; }
    g = &instances[instance_count];
    if (sscanf(line, "instance %d %95[^|]|%95[^|]|%llu|%llu|%llu", &g->parent, g->name, g->uuid, &g->total, &g->reserved, &g->free) == 6) {
      g->memory = 1; instance_count++;
    }
  }
  fclose(file);
  return SUCCESS;
}

int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int code) { return code == DRIVER_NOT_LOADED ? "Driver Not Loaded" : "Not Supported"; }
int nvmlSystemGetDriverVersion(char *out, unsigned size) { snprintf(out, size, "%s", driver); return SUCCESS; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = gpu_count; return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, gpu_t **out) {
  if (index >= gpu_count) return NOT_FOUND;
  *out = &gpus[index];
  return SUCCESS;
}
int nvmlDeviceGetName(gpu_t *g, char *out, unsigned size) { snprintf(out, size, "%s", g->name); return SUCCESS; }
int nvmlDeviceGetUUID(gpu_t *g, char *out, unsigned size) { snprintf(out, size, "%s", g->uuid); return SUCCESS; }
int nvmlDeviceGetMemoryInfo(gpu_t *g, memory_t *out) {
  if (!g->memory) return NOT_SUPPORTED;
  out->total = g->total; out->free = g->free; out->used = g->total - g->free;
  return SUCCESS;
}
int nvmlDeviceGetMemoryInfo_v2(gpu_t *g, memory_v2_t *out) {
  if (!g->memory) return NOT_SUPPORTED;
  out->total = g->total; out->reserved = g->reserved; out->free = g->free; out->used = g->total - g->free - g->reserved;
  return SUCCESS;
}
int nvmlDeviceGetCudaComputeCapability(gpu_t *g, int *major, int *minor) { *major = g->major; *minor = g->minor; return SUCCESS; }
int nvmlDeviceGetEccMode(gpu_t *g, unsigned *now, unsigned *pending) {
  if (g->ecc < 0) return NOT_SUPPORTED;
  *now = *pending = (unsigned)g->ecc;
  return SUCCESS;
}
int nvmlDeviceGetMigMode(gpu_t *g, unsigned *now, unsigned *pending) {
  if (g->mig < 0) return NOT_SUPPORTED;
  *now = *pending = (unsigned)g->mig;
  return SUCCESS;
}
int nvmlDeviceGetMaxMigDeviceCount(gpu_t *g, unsigned *count) { *count = g->mig > 0 ? 7 : 0; return SUCCESS; }
int nvmlDeviceGetMigDeviceHandleByIndex(gpu_t *g, unsigned index, gpu_t **out) {
  for (unsigned i = 0, seen = 0; i < instance_count; i++)
    if (&gpus[instances[i].parent] == g && seen++ == index) { *out = &instances[i]; return SUCCESS; }
  return NOT_FOUND;
}
int nvmlDeviceGetComputeRunningProcesses_v3(gpu_t *g, unsigned *count, info_t *out) {
  unsigned room = *count, found = 0;
  for (unsigned i = 0; i < process_count; i++)
    if ((processes[i].gpu < IN_INSTANCE ? &gpus[processes[i].gpu] : &instances[processes[i].gpu - IN_INSTANCE]) == g) {
      if (out && found < room) out[found] = (info_t){processes[i].pid, processes[i].used, 0, 0};
      found++;
    }
  *count = found;
  return found > room || (!out && found) ? INSUFFICIENT_SIZE : SUCCESS;
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(gpu_t *g, unsigned *count, info_t *out) { (void)g; (void)out; *count = 0; return SUCCESS; }
int nvmlSystemGetProcessName(unsigned pid, char *out, unsigned size) {
  for (unsigned i = 0; i < process_count; i++)
    if (processes[i].pid == pid) { snprintf(out, size, "%s", processes[i].name); return SUCCESS; }
  return NOT_FOUND;
}
