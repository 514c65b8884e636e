// SPDX-License-Identifier: Apache-2.0
// The file of measured times:
//
//   edgesmith.kernel-times/1 <sha256 of all that follows>
//   <key> <warm us> <cold us>
//   ...
//
// It is replaced as a whole by a rename, so readers never see half of it. Two writers at the same time keep what they
// find: the later one reads the file again just before; the worst that can happen is that a time is measured once more.
#include <filesystem>
#include <map>
#include <sstream>

#include "edgesmith/base/file.h"
#include "edgesmith/base/log.h"
#include "edgesmith/base/sha256.h"
#include "edgesmith/base/text.h"
#include "edgesmith/refine/select.h"

namespace edgesmith::refine {
namespace {

using Times = std::map<std::string, KernelTime>;

constexpr std::string_view kHead = "edgesmith.kernel-times/1 ";

// The times in the text of a file; nothing when it is damaged.
std::optional<Times> parse_times(std::string_view text) {
  const size_t end = text.find('\n');
  if (!text.starts_with(kHead) || end == std::string_view::npos) return std::nullopt;
  const std::string body(text.substr(end + 1));
  if (text.substr(kHead.size(), end - kHead.size()) != sha256_hex(body)) return std::nullopt;
  Times times;
  std::istringstream lines(body);
  lines.imbue(std::locale::classic());
  std::string key;
  KernelTime time;
  while (lines >> key >> time.warm_us >> time.cold_us) times[key] = time;
  return times;
}

std::string print_times(const Times& times) {
  std::string body;
  for (const auto& [key, time] : times) {
    body += key + " " + shortest(time.warm_us) + " " + shortest(time.cold_us) + "\n";
  }
  return std::string(kHead) + sha256_hex(body) + "\n" + body;
}

}  // namespace

struct TimingCache::State {
  std::string path;
  Times known, added;

  // What the file holds now; nothing when there is none. A damaged one is told of once.
  Times read(bool warn) const {
    std::error_code code;
    if (path.empty() || !std::filesystem::exists(path, code)) return {};
    const auto text = read_file(path);
    auto times = text ? parse_times(*text) : std::nullopt;
    if (!times && warn) log::warning(path + ": the file of kernel times is damaged and will be made again");
    return times ? std::move(*times) : Times();
  }
};

std::string TimingCache::path_in(const std::string& folder) {
  return folder.empty() ? "" : (std::filesystem::path(folder) / "kernel-times").string();
}

TimingCache::TimingCache(std::string path) : state_(std::make_unique<State>()) {
  state_->path = std::move(path);
  state_->known = state_->read(true);
}
TimingCache::~TimingCache() = default;

std::optional<KernelTime> TimingCache::find(const std::string& key) const {
  const auto found = state_->known.find(key);
  return found == state_->known.end() ? std::nullopt : std::optional(found->second);
}

int64_t TimingCache::size() const { return static_cast<int64_t>(state_->known.size()); }

void TimingCache::put(const std::string& key, const KernelTime& time) {
  state_->known[key] = time;
  state_->added[key] = time;
}

void TimingCache::save() {
  if (state_->path.empty() || state_->added.empty()) return;
  std::error_code code;
  std::filesystem::create_directories(std::filesystem::path(state_->path).parent_path(), code);
  Times times = state_->read(false);
  for (const auto& [key, time] : state_->added) times[key] = time;
  const Status written = write_file(state_->path, print_times(times));
  if (!written) log::warning(written.error().text() + ": kernel times are not kept");
  state_->added.clear();
}

Status TimingCache::clear() {
  const auto text = read_file(state_->path);
  if (!text || !text->starts_with(kHead)) return {};
  std::error_code code;
  if (!std::filesystem::remove(state_->path, code) && code) {
    return io_error(state_->path + ": cannot remove: " + code.message(), "check who may write there");
  }
  state_->known.clear();
  state_->added.clear();
  return {};
}

}  // namespace edgesmith::refine
