// SPDX-License-Identifier: Apache-2.0
// An entry:
//
//   edgesmith.cache/1 <sha256 of all that follows>, padded with spaces to 127 bytes, and a newline
//   <content>
#include "edgesmith/refine/step_cache.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "edgesmith/base/file.h"
#include "edgesmith/base/log.h"
#include "edgesmith/base/sha256.h"
#include "edgesmith/base/text.h"

namespace edgesmith::refine {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kHead = "edgesmith.cache/1 ";
constexpr size_t kHeadBytes = 128;
constexpr const char* kSuffix = ".step";
/// How AtomicFile begins the names of files that are not whole yet.
constexpr std::string_view kUnfinished = ".edgesmith-";
/// A full cache is cut to this share of its limit, so that not every new entry has to look for an old one.
constexpr double kKeptShare = 0.9;

struct File {
  fs::path path;
  int64_t bytes = 0;
  fs::file_time_type used;
};

/// The entries, least recently used first; also what a killed process left half-written, where that is wanted.
std::vector<File> files_in(const std::string& folder, bool with_unfinished) {
  std::vector<File> files;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const bool unfinished = at->path().filename().string().starts_with(kUnfinished);
    if (at->path().extension() != kSuffix && !(unfinished && with_unfinished)) continue;
    std::error_code gone;  // another process may remove it meanwhile
    const auto bytes = at->file_size(gone);
    const auto used = at->last_write_time(gone);
    if (!gone) files.push_back({at->path(), static_cast<int64_t>(bytes), used});
  }
  std::sort(files.begin(), files.end(),
            [](const File& a, const File& b) { return a.used != b.used ? a.used < b.used : a.path < b.path; });
  return files;
}

std::string head_of(std::string_view content) {
  std::string head = std::string(kHead) + sha256_hex(content);
  head.resize(kHeadBytes - 1, ' ');
  return head + '\n';
}

}  // namespace

StepCache::StepCache(std::string folder, int64_t limit)
    : folder_((fs::path(std::move(folder)) / "steps").string()), limit_(limit) {}

std::string StepCache::default_folder() {
  const auto value_of = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value != nullptr ? value : "");
  };
  const std::string own = value_of("EDGESMITH_CACHE"), cache = value_of("XDG_CACHE_HOME"), home = value_of("HOME");
  if (own == "off") return "";
  if (!own.empty()) return own;
  if (!cache.empty() && cache[0] == '/') return (fs::path(cache) / "edgesmith").string();  // the standard: absolute
  if (!home.empty()) return (fs::path(home) / ".cache" / "edgesmith").string();
  return "";
}

Result<int64_t> StepCache::default_limit() {
  const char* text = std::getenv("EDGESMITH_CACHE_LIMIT");
  if (text == nullptr || *text == '\0') return kDefaultLimit;
  const auto bytes = parse_bytes(text);
  if (bytes) return *bytes;
  return usage_error("EDGESMITH_CACHE_LIMIT: '" + std::string(text) + "' is no size", "write 2GiB, 500MB or bytes");
}

std::string StepCache::file_of(const std::string& key) const {
  return (fs::path(folder_) / key.substr(0, 2) / (key + kSuffix)).string();
}

void StepCache::complain(const std::string& message) {
  if (!complained_) log::warning(message);
  complained_ = true;
}

std::optional<StepCache::Entry> StepCache::find(const std::string& key) {
  const std::string path = file_of(key);
  std::error_code error;
  if (!fs::exists(path, error)) return std::nullopt;
  auto file = MappedFile::open(path);
  if (!file) {
    if (fs::exists(path, error)) complain(file.error().message + ": this entry of the cache is not used");
    return std::nullopt;
  }
  const auto bytes = (*file)->bytes();
  const bool whole = bytes.size() >= kHeadBytes;
  const auto content = whole ? bytes.subspan(kHeadBytes) : bytes;
  const std::string head = whole ? head_of({reinterpret_cast<const char*>(content.data()), content.size()}) : "";
  if (!whole || std::string_view(reinterpret_cast<const char*>(bytes.data()), kHeadBytes) != head) {
    complain(path + ": this entry of the cache is damaged and will be made again");
    fs::remove(path, error);
    return std::nullopt;
  }
  fs::last_write_time(path, fs::file_time_type::clock::now(), error);
  return Entry{content, *file};
}

void StepCache::put(const std::string& key, std::string_view bytes) {
  // One entry must not drive out all others.
  if (static_cast<int64_t>(bytes.size()) > limit_ / 2) {
    log::debug("a result of " + std::to_string(bytes.size()) + " bytes is too large for the cache");
    return;
  }
  const std::string path = file_of(key);
  std::error_code error;
  const fs::path folder = fs::path(path).parent_path();
  fs::create_directories(folder, error);
  if (error) {
    complain(folder.string() + ": cannot create the folder: " + error.message() +
             ": results are not kept in the cache; use --no-cache or another --cache-dir");
    return;
  }
  auto file = AtomicFile::create(path);
  Status written = file ? Status() : Status(file.error());
  if (written) {
    (*file)->write(head_of(bytes));
    (*file)->write(bytes);
    written = (*file)->commit();
  }
  if (!written) {
    complain(written.error().message + ": this result is not kept in the cache; use --no-cache or another --cache-dir");
    return;
  }
  shrink();
}

void StepCache::shrink() {
  const std::vector<File> files = files_in(folder_, true);
  int64_t bytes = 0;
  for (const File& file : files) bytes += file.bytes;
  if (bytes <= limit_) return;
  std::error_code ignored;
  for (const File& file : files) {
    if (static_cast<double>(bytes) <= kKeptShare * static_cast<double>(limit_)) return;
    fs::remove(file.path, ignored);
    bytes -= file.bytes;
  }
}

StepCache::Info StepCache::info() const {
  Info info{folder_, 0, 0, limit_};
  for (const File& file : files_in(folder_, false)) {
    ++info.entries;
    info.bytes += file.bytes;
  }
  return info;
}

Result<int64_t> StepCache::clear() {
  int64_t count = 0;
  for (const File& file : files_in(folder_, true)) {
    std::error_code error;
    if (!fs::remove(file.path, error) && error) {
      return io_error(file.path.string() + ": cannot remove: " + error.message(), "check who may write there");
    }
    count += file.path.extension() == kSuffix ? 1 : 0;
  }
  return count;
}

}  // namespace edgesmith::refine
