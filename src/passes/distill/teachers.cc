// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/passes/teachers.h"

#include <algorithm>

#include "edgesmith/ir/align_inputs.h"
#include "edgesmith/onnx/import.h"

namespace edgesmith::passes {
namespace {

/// Whether what goes into `taken` may go into `input`, as far as is known.
bool may_go_into(const ir::Type& input, const ir::Type& taken) {
  if (input.dtype != taken.dtype && input.dtype != ir::DType::undefined && taken.dtype != ir::DType::undefined) {
    return false;
  }
  if (!input.has_rank() || !taken.has_rank()) return true;
  if (input.rank() != taken.rank()) return false;
  for (int64_t i = 1; i < static_cast<int64_t>(input.rank()); ++i) {
    const ir::Dim &a = (*input.shape)[static_cast<size_t>(i)], &b = (*taken.shape)[static_cast<size_t>(i)];
    if (a.known() && b.known() && a.value() != b.value()) return false;
  }
  return true;
}

Status check_teacher(const std::string& path, const ir::Graph& student) {
  auto teacher = onnx::import_file(path);
  if (!teacher) return teacher.error();
  ir::align_inputs(*teacher, student);
  const auto &inputs = teacher->inputs(), &fed = student.inputs();
  const char* const hint = "name a teacher that takes what the student takes";
  if (inputs.size() > fed.size()) {
    return invalid_error(path + ": this teacher has " + std::to_string(inputs.size()) + " inputs, the student " +
                             std::to_string(fed.size()),
                         hint);
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (may_go_into(inputs[i]->type(), fed[i]->type())) continue;
    return invalid_error(path + ": this teacher takes " + inputs[i]->type().text() + " as '" + inputs[i]->name() +
                             "', the student " + fed[i]->type().text(),
                         hint);
  }
  return {};
}

}  // namespace

Status check_teachers(const Options& options, const ir::Graph& student) {
  for (const OptionRow& row : options.schema()) {
    if (row.name != "teacher" && row.name != "second_teacher") continue;
    if (options.is_set(row.name)) EDGESMITH_TRY(check_teacher(options.word(row.name), student));
  }
  return {};
}

}  // namespace edgesmith::passes
