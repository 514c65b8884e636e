// SPDX-License-Identifier: Apache-2.0
// The report of a command that measures and changes nothing (eval, compare, infer, inspect): its JSON document as a
// page.
#include "edgesmith/report/document.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "edgesmith/base/file.h"
#include "edgesmith/report/json.h"
#include "report/html_parts.h"

namespace edgesmith::report {
namespace {

using Json = nlohmann::ordered_json;

bool is_table(const Json& value) { return value.is_array() && !value.empty() && value.front().is_object(); }

/// Text as it is, numbers as JSON writes them, lists joined by commas.
std::string cell(const Json& value) {
  if (value.is_null()) return "n/a";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return number_text("%.6g", value.get<double>());
  if (!value.is_array()) return value.dump();
  std::string text;
  for (const Json& item : value) text += (text.empty() ? "" : ", ") + cell(item);
  return text;
}

/// Members as rows, those of inner objects as "outer.inner"; lists of objects are left to tables().
std::string rows(const Json& object, const std::string& prefix) {
  std::string html;
  for (const auto& [key, value] : object.items()) {
    if (value.is_object()) {
      html += rows(value, prefix + key + ".");
    } else if (!is_table(value)) {
      html += "<tr><td>" + escape_html(prefix + key) + "</td><td>" + escape_html(cell(value)) + "</td></tr>\n";
    }
  }
  return html;
}

/// A section for every list of objects, its columns named by the members of the first.
std::string tables(const Json& object) {
  std::string html;
  for (const auto& [key, value] : object.items()) {
    if (!is_table(value)) continue;
    html += "<section><h2>" + escape_html(key) + "</h2><div class=\"scroll\"><table><tr>";
    for (const auto& [column, ignored] : value.front().items()) html += "<th>" + escape_html(column) + "</th>";
    html += "</tr>\n";
    for (const Json& item : value) {
      html += "<tr>";
      for (const auto& [column, ignored] : value.front().items()) {
        html += "<td>" + (item.contains(column) ? escape_html(cell(item[column])) : "") + "</td>";
      }
      html += "</tr>\n";
    }
    html += "</table></div></section>\n";
  }
  return html;
}

}  // namespace

std::string document_html(const std::string& title, const std::string& json, const std::string& pictures) {
  const Json document = Json::parse(json, nullptr, false);
  const std::string body = document.is_object() ? "<section><div class=\"scroll\"><table>" + rows(document, "") +
                                                      "</table></div></section>\n" + tables(document)
                                                : "<section><pre>" + escape_html(json) + "</pre></section>\n";
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
         "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
         "<meta name=\"color-scheme\" content=\"light dark\"><title>" +
         escape_html(title) + "</title><style>" + kStyleSheet + "</style></head><body><main>\n<header><h1>" +
         escape_html(title) + "</h1></header>\n" + pictures + body + "<footer>edgesmith " +
         std::string(tool_version()) + "</footer>\n</main></body></html>\n";
}

Status write_document(const std::string& title, const std::string& json, const std::string& folder,
                      const std::string& pictures) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return io_error(folder + ": cannot create the folder: " + error.message(), "check --report");
  EDGESMITH_TRY(write_file((std::filesystem::path(folder) / "report.json").string(), json + "\n"));
  return write_file((std::filesystem::path(folder) / "report.html").string(), document_html(title, json, pictures));
}

}  // namespace edgesmith::report
