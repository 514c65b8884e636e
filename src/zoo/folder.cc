// SPDX-License-Identifier: Apache-2.0
#include "zoo/folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "edgesmith/base/file.h"

namespace edgesmith::zoo {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFolderFile = "zoo.json";
/// Leaves room for ".NAME.part" in the 255 bytes that file systems allow.
constexpr size_t kLongestName = 240;

Error cannot(const std::string& path, const char* what, int code) {
  return io_error(path + ": cannot " + what + ": " + std::strerror(code),
                  code == ENOSPC ? "free some disk space" : "check the permissions of the results folder");
}

/// Removes everything in `folder`, and leaves the folder.
Status clear(const std::string& folder) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    fs::remove_all(entry.path(), error);
    if (error) break;
  }
  return error ? Status(io_error(folder + ": cannot clear: " + error.message(), "remove it")) : Status();
}

bool same_file(int descriptor, const std::string& path) {
  struct stat a {
  }, b{};
  return ::fstat(descriptor, &a) == 0 && ::stat(path.c_str(), &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// Nothing visible is in it. Hidden files may be those of a process that started a moment ago.
bool is_fresh(const std::string& folder) {
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  return std::all_of(begin(entries), end(entries),
                     [](const fs::directory_entry& entry) { return entry.path().filename().string().front() == '.'; });
}

/// Results that are there already: may they be gone on with?
Status check_results(const Manifest& manifest, const std::string& folder, bool resume, bool force) {
  auto record = read_folder(folder);
  if (!record) return record.error();
  if (force) return {};
  if (record->manifest != manifest.path && record->manifest_sha256 != manifest.sha256) {
    return usage_error(folder + ": holds the results of another manifest, " + record->manifest,
                       "name another folder with -o, or take this one over with --force");
  }
  if (resume) return {};
  return usage_error(folder + ": holds results already", "go on with --resume, or do all of it again with --force");
}

}  // namespace

std::string in(const std::string& folder, const std::string& name) { return (fs::path(folder) / name).string(); }

bool is_folder_name(const std::string& name) {
  constexpr std::array<std::string_view, 4> kOurs = {kFolderFile, "summary.json", "summary.csv", "index.html"};
  return !name.empty() && name.front() != '.' && name.size() <= kLongestName &&
         name.find_first_of(std::string_view("/\0\n", 3)) == std::string::npos &&
         std::find(kOurs.begin(), kOurs.end(), name) == kOurs.end();
}

Status open_folder(const Manifest& manifest, const std::string& folder, bool resume, bool force) {
  std::error_code error;
  if (fs::exists(folder, error) && !fs::is_directory(folder, error)) {
    return usage_error(folder + ": is a file, not a folder", "name another folder with -o");
  }
  fs::create_directories(folder, error);
  if (error) return io_error(folder + ": cannot create the folder: " + error.message(), "check -o");
  if (!is_fresh(folder)) EDGESMITH_TRY(check_results(manifest, folder, resume, force));
  FolderRecord record{manifest.path, manifest.sha256, {}};
  for (const Job& job : manifest.jobs) record.models.push_back({job.name, job.recipe.model});
  return write_file(in(folder, kFolderFile), folder_json(record));
}

Result<FolderRecord> read_folder(const std::string& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return io_error(folder + ": no such folder", "name the results folder of a zoo run");
  }
  const std::string path = in(folder, kFolderFile);
  if (!fs::exists(path, error)) {
    return usage_error(folder + ": is not empty, and holds no results of a zoo run", "name another folder");
  }
  auto text = read_file(path);
  if (!text) return text.error();
  if (auto record = parse_folder(*text)) return *record;
  return usage_error(path + ": is no description of results", "name another folder, or remove this one");
}

std::optional<JobRecord> finished_job(const std::string& folder, const std::string& name) {
  const std::string place = in(folder, name);
  const std::string path = in(place, "job.json");
  std::error_code error;
  if (!fs::exists(path, error)) return std::nullopt;
  auto text = read_file(path);
  if (!text) return std::nullopt;
  auto record = parse_job(*text);
  if (!record) return std::nullopt;
  for (const std::string& file : record->files) {
    if (!fs::exists(in(place, file), error)) return std::nullopt;
  }
  return record;
}

Result<std::optional<Claim>> Claim::take(const std::string& folder, const std::string& name) {
  const std::string part = in(folder, "." + name + ".part");
  for (;;) {
    if (::mkdir(part.c_str(), 0777) != 0 && errno != EEXIST) return cannot(part, "create", errno);
    const int descriptor = ::open(part.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0 && errno == ENOENT) continue;  // finished by another process in between
    if (descriptor < 0) return cannot(part, "open", errno);
    Claim claim(part, in(folder, name), descriptor);
    if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) return std::optional<Claim>();
      return cannot(part, "lock", errno);
    }
    if (!same_file(descriptor, part)) continue;  // it was renamed while we came
    EDGESMITH_TRY(clear(part));
    return std::optional<Claim>(std::move(claim));
  }
}

Claim::Claim(Claim&& other) noexcept
    : part_(std::move(other.part_)), place_(std::move(other.place_)), descriptor_(other.descriptor_) {
  other.descriptor_ = -1;
}

Claim& Claim::operator=(Claim&& other) noexcept {
  if (this == &other) return *this;
  close();
  part_ = std::move(other.part_);
  place_ = std::move(other.place_);
  descriptor_ = other.descriptor_;
  other.descriptor_ = -1;
  return *this;
}

Claim::~Claim() { close(); }

void Claim::close() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

Status Claim::finish() {
  const fs::path place = place_;
  const fs::path old = place.parent_path() / ("." + place.filename().string() + ".old");
  std::error_code error;
  fs::remove_all(old, error);
  if (::rename(place.c_str(), old.c_str()) != 0 && errno != ENOENT) return cannot(place_, "replace", errno);
  if (::rename(part_.c_str(), place.c_str()) != 0) return cannot(place_, "put into place", errno);
  fs::remove_all(old, error);
  close();
  return {};
}

void Claim::abandon() {
  std::error_code ignored;
  fs::remove_all(part_, ignored);
  close();
}

}  // namespace edgesmith::zoo
