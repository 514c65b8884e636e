// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/report/overwrite.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "edgesmith/base/file.h"

namespace edgesmith::report {
namespace {

namespace fs = std::filesystem;

// Every document of this program names its schema, whatever its kind and version.
bool is_our_json(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return false;
  const auto schema = json.find("schema");
  return schema != json.end() && schema->is_string() && schema->get_ref<const std::string&>().starts_with("edgesmith.");
}

bool is_our_page(const std::string& text) { return text.find("<footer>edgesmith ") != std::string::npos; }

bool is_junit(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string::npos && text[first] == '<' && text.find("<testsuite") != std::string::npos;
}

/// Nothing is lost with a file that is not there or empty; a device is not replaced.
Status check_replaced(const std::string& path, bool (*may_go)(const std::string&), const std::string& what,
                      const std::string& hint) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return {};
  auto text = read_file(path);
  if (!text) return text.error();
  if (text->empty() || may_go(*text)) return {};
  return usage_error(path + ": exists already, and is no " + what, hint);
}

}  // namespace

Status check_report_files(const std::string& folder) {
  const char* const hint = "name another folder for the report";
  EDGESMITH_TRY(check_replaced((fs::path(folder) / "report.json").string(), is_our_json, "report of edgesmith", hint));
  return check_replaced((fs::path(folder) / "report.html").string(), is_our_page, "report of edgesmith", hint);
}

Status check_junit_file(const std::string& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return usage_error(path + ": is a directory", "name a file for --junit");
  EDGESMITH_TRY(check_replaced(path, is_junit, "JUnit XML", "name another file for --junit"));
  return check_writable(path);
}

}  // namespace edgesmith::report
