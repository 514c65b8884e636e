// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/cpu.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace edgesmith {

namespace {

bool set_cores(const std::vector<int>& cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores) CPU_SET(static_cast<size_t>(core), &set);
  return sched_setaffinity(0, sizeof set, &set) == 0;
}

// The register that says how denormals are treated, with "take them for zero" switched on in `flushing`.
#if defined(__x86_64__)
uint64_t float_control() { return _mm_getcsr(); }
void set_float_control(uint64_t bits) { _mm_setcsr(static_cast<unsigned>(bits)); }
uint64_t flushing(uint64_t bits) { return bits | 0x8040; }  // flush to zero, denormals are zero
#elif defined(__aarch64__)
uint64_t float_control() {
  uint64_t bits = 0;
  __asm__ volatile("mrs %0, fpcr" : "=r"(bits));
  return bits;
}
void set_float_control(uint64_t bits) { __asm__ volatile("msr fpcr, %0" : : "r"(bits)); }
uint64_t flushing(uint64_t bits) { return bits | uint64_t{1} << 24; }
#else
uint64_t float_control() { return 0; }
void set_float_control(uint64_t) {}
uint64_t flushing(uint64_t bits) { return bits; }
#endif

// The number in a one-line file of the system; -1: none ("max" means no limit).
int64_t number_in(const char* path) {
  std::ifstream file(path);
  std::string text;
  int64_t number = -1;
  if (!(file >> text)) return -1;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  return code == std::errc() && end == text.data() + text.size() ? number : -1;
}

// Cores by the implementer and part numbers that Arm CPUs have (Arm's technical reference manuals, MIDR_EL1).
struct Core {
  std::string_view implementer, part, name;
};
constexpr Core kCores[] = {
    {"0x41", "0xd03", "Cortex-A53"},   {"0x41", "0xd04", "Cortex-A35"},  {"0x41", "0xd05", "Cortex-A55"},
    {"0x41", "0xd07", "Cortex-A57"},   {"0x41", "0xd08", "Cortex-A72"},  {"0x41", "0xd09", "Cortex-A73"},
    {"0x41", "0xd0a", "Cortex-A75"},   {"0x41", "0xd0b", "Cortex-A76"},  {"0x41", "0xd0c", "Neoverse N1"},
    {"0x41", "0xd0d", "Cortex-A77"},   {"0x41", "0xd40", "Neoverse V1"}, {"0x41", "0xd41", "Cortex-A78"},
    {"0x41", "0xd42", "Cortex-A78AE"}, {"0x41", "0xd44", "Cortex-X1"},   {"0x41", "0xd46", "Cortex-A510"},
    {"0x41", "0xd47", "Cortex-A710"},  {"0x41", "0xd48", "Cortex-X2"},   {"0x41", "0xd49", "Neoverse N2"},
    {"0x41", "0xd4f", "Neoverse V2"},  {"0x4e", "0x003", "Denver 2"},    {"0x4e", "0x004", "Carmel"},
};

std::string core_name(std::string_view implementer, std::string_view part) {
  for (const Core& core : kCores) {
    if (core.implementer == implementer && core.part == part) return std::string(core.name);
  }
  return "Arm core " + std::string(implementer) + "/" + std::string(part);
}

}  // namespace

std::string cpu_name_in(std::string_view cpuinfo) {
  std::vector<std::string> cores;
  std::string_view implementer;
  while (!cpuinfo.empty()) {
    const size_t end = std::min(cpuinfo.find('\n'), cpuinfo.size());
    const std::string_view line = cpuinfo.substr(0, end);
    cpuinfo.remove_prefix(std::min(end + 1, cpuinfo.size()));
    const size_t colon = line.find(": ");
    if (colon == std::string_view::npos) continue;
    const std::string_view value = line.substr(colon + 2);
    if (line.starts_with("model name")) return std::string(value);
    if (line.starts_with("CPU implementer")) implementer = value;
    if (!line.starts_with("CPU part")) continue;
    std::string name = core_name(implementer, value);
    if (std::find(cores.begin(), cores.end(), name) == cores.end()) cores.push_back(std::move(name));
  }
  std::string name;
  for (const std::string& core : cores) name += (name.empty() ? "" : " + ") + core;
  return name.empty() ? "unknown" : name;
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  return cpu_name_in(std::string(std::istreambuf_iterator<char>(file), {}));
}

int64_t memory_bytes() {
  int64_t bytes = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGE_SIZE);
  for (const char* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    const int64_t limit = number_in(path);
    if (limit > 0) bytes = std::min(bytes, limit);
  }
  return bytes;
}

std::vector<int> allowed_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return {};
  std::vector<int> cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(static_cast<size_t>(core), &set)) cores.push_back(core);
  }
  const auto here = std::find(cores.begin(), cores.end(), sched_getcpu());
  if (here != cores.end()) std::rotate(cores.begin(), here, here + 1);
  return cores;
}

int64_t preemptions() {
  rusage usage{};
  return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : 0;
}

PinnedThread::PinnedThread(int core) {
  if (core < 0) return;
  before_ = allowed_cores();
  pinned_ = !before_.empty() && set_cores({core});
}

PinnedThread::~PinnedThread() {
  if (pinned_) set_cores(before_);
}

FlushDenormals::FlushDenormals(bool on) : on_(on) {
  if (!on_) return;
  before_ = float_control();
  set_float_control(flushing(before_));
}

FlushDenormals::~FlushDenormals() {
  if (on_) set_float_control(before_);
}

}  // namespace edgesmith
