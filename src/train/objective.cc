// SPDX-License-Identifier: Apache-2.0
#include "train/objective.h"

#include <algorithm>
#include <cmath>

#include "edgesmith/base/text.h"
#include "train/scores.h"

namespace edgesmith::train {
namespace {

struct Names {
  std::string student, teacher;
};

Result<Names> split_pair(const std::string& text, const char* option) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    return usage_error(std::string("--") + option + ": '" + text + "' is no pair", "write student=teacher");
  }
  return Names{text.substr(0, equals), text.substr(equals + 1)};
}

ir::Value* find_output(const ir::Graph& graph, const std::string& name) {
  const auto& names = graph.output_names();
  const auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? nullptr : graph.output_node().input(static_cast<int>(found - names.begin()));
}

/// A value inside, by its own name or that of its node.
ir::Value* find_named(const ir::Graph& graph, const std::string& name) {
  for (ir::Node& node : graph.nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      if (node.output(i).name() == name) return &node.output(i);
    }
  }
  for (ir::Node& node : graph.nodes()) {
    if (node.name() == name && node.num_outputs() > 0) return &node.output();
  }
  return find_output(graph, name);
}

std::vector<std::string> value_names(const ir::Graph& graph) {
  std::vector<std::string> names;
  for (const ir::Node& node : graph.nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      if (!node.output(i).name().empty()) names.push_back(node.output(i).name());
    }
  }
  return names;
}

std::string list(const std::vector<std::string>& names) { return names.empty() ? "none" : join(names, ", "); }

bool has_numbers(const ir::Value& value) { return ir::is_float(value.type().dtype) && value.type().has_rank(); }

/// Whether values of these types can be held against each other; the batch may differ.
bool same_dims(const ir::Type& a, const ir::Type& b) {
  if (a.rank() != b.rank()) return false;
  for (int i = 1; i < a.rank(); ++i) {
    if (!ir::merge((*a.shape)[static_cast<size_t>(i)], (*b.shape)[static_cast<size_t>(i)])) return false;
  }
  return true;
}

/// `class_axis`: 0: tokens by classes, where there are three dims; else channels are classes.
Pair describe(const ir::Value& student, const ir::Value* teacher, const std::string& name, int class_axis = 0) {
  Pair pair;
  pair.student = student.id();
  pair.teacher = teacher != nullptr ? teacher->id() : -1;
  pair.name = name;
  pair.rank = student.type().rank();
  pair.class_axis = class_axis > 0 ? class_axis : pair.rank == 3 ? 2 : 1;
  if (pair.rank > 1) {
    const ir::Dim& dim = (*student.type().shape)[static_cast<size_t>(pair.class_axis)];
    if (dim.known()) pair.classes = dim.value();
  }
  return pair;
}

class Maker {
 public:
  Maker(const ir::Graph& student, const ir::Graph& teacher, const ObjectiveOptions& options)
      : student_(student), teacher_(teacher), options_(options) {
    objective_.temperature = options.temperature;
  }

  Result<Objective> make() {
    EDGESMITH_TRY(read_losses());
    EDGESMITH_TRY(pair_outputs());
    EDGESMITH_TRY(add_output_terms());
    EDGESMITH_TRY(add_features());
    for (const LossTerm& term : objective_.terms) {
      (term.loss->needs_labels ? objective_.needs_labels : objective_.needs_teacher) = true;
    }
    return std::move(objective_);
  }

 private:
  struct Asked {
    const LossInfo* loss;
    double weight;
  };

  Status read_losses() {
    for (const std::string& text : options_.losses) {
      const size_t equals = text.find('=');
      const std::string name = text.substr(0, equals);
      const LossInfo* loss = find_loss(name);
      std::vector<std::string> names;
      for (const LossInfo& row : all_losses()) {
        if (row.name != "features") names.emplace_back(row.name);  // --feature asks for that one
      }
      if (loss == nullptr) {
        const std::string near = nearest(name, names);
        return usage_error("unknown loss '" + name + "'",
                           near.empty() ? "known: " + join(names, ", ") : "did you mean '" + near + "'?");
      }
      if (loss->name == "features") return usage_error("loss 'features' says no values", "name them with --feature");
      double weight = 1;
      if (equals != std::string::npos) {
        char* end = nullptr;
        weight = std::strtod(text.c_str() + equals + 1, &end);
        if (*end != '\0' || equals + 1 == text.size() || !(weight > 0) || !std::isfinite(weight)) {
          return usage_error("loss '" + text + "' has no weight above 0", "write " + name + "=0.5");
        }
      }
      if (std::any_of(losses_.begin(), losses_.end(), [&](const Asked& asked) { return asked.loss == loss; })) {
        return usage_error("loss '" + name + "' is given twice", "give it once, with a weight as " + name + "=2");
      }
      losses_.push_back({loss, weight});
      with_teacher_ = with_teacher_ || !loss->needs_labels;
    }
    with_teacher_ = with_teacher_ || losses_.empty();
    return {};
  }

  Status pair_outputs() {
    if (!options_.match.empty()) {
      for (const std::string& text : options_.match) {
        auto names = split_pair(text, "match");
        if (!names) return names.error();
        ir::Value* student = find_output(student_, names->student);
        ir::Value* teacher = find_output(teacher_, names->teacher);
        if (student == nullptr) return no_output("student", names->student, student_);
        if (teacher == nullptr) return no_output("teacher", names->teacher, teacher_);
        const auto& outputs = student_.output_names();
        const auto index = std::find(outputs.begin(), outputs.end(), names->student) - outputs.begin();
        if (std::any_of(objective_.pairs.begin(), objective_.pairs.end(),
                        [&](const Pair& pair) { return pair.output == index; })) {
          return usage_error("--match: output '" + names->student + "' of the student is given twice",
                             "give each output once");
        }
        EDGESMITH_TRY(add_output(static_cast<int>(index), teacher, names->teacher));
      }
      std::stable_partition(objective_.pairs.begin(), objective_.pairs.end(),
                            [&](const Pair& pair) { return pair.output == labelled_output(); });
      return {};
    }
    for (int i = 0; i < student_.num_outputs(); ++i) {
      const std::string& name = student_.output_names()[static_cast<size_t>(i)];
      ir::Value& student = *student_.output_node().input(i);
      if (!has_numbers(student)) continue;
      if (!with_teacher_) {
        EDGESMITH_TRY(add_output(i, nullptr, ""));
        continue;
      }
      std::string partner = name;
      ir::Value* teacher = find_output(teacher_, name);
      if (teacher == nullptr && student_.num_outputs() == 1 && teacher_.num_outputs() == 1) {
        teacher = teacher_.output_node().input(0);
        partner = teacher_.output_names()[0];
      }
      if (teacher == nullptr) {
        return usage_error("output '" + name + "' of the student has no counterpart among the teacher's (" +
                               list(teacher_.output_names()) + ")",
                           "map it with --match " + name + "=NAME");
      }
      EDGESMITH_TRY(add_output(i, teacher, partner));
    }
    if (objective_.pairs.empty())
      return usage_error("the student has no output of floats", "there is nothing to train");
    return {};
  }

  /// The first of floats.
  int labelled_output() const {
    for (int i = 0; i < student_.num_outputs(); ++i) {
      if (has_numbers(*student_.output_node().input(i))) return i;
    }
    return 0;
  }

  static Error no_output(const char* whose, const std::string& name, const ir::Graph& graph) {
    return usage_error("--match: the " + std::string(whose) + " has no output '" + name + "'",
                       "its outputs are " + list(graph.output_names()));
  }

  Status add_output(int index, ir::Value* teacher, const std::string& partner) {
    const std::string& name = student_.output_names()[static_cast<size_t>(index)];
    ir::Value& student = *student_.output_node().input(index);
    EDGESMITH_TRY(check_types(student, teacher, name, partner, "output"));
    // Losses of probabilities take scores: the softmax is theirs. Whose output is no probability gives scores.
    const auto own = scores_before(student);
    const auto other = teacher != nullptr ? scores_before(*teacher) : std::nullopt;
    if (own && other && own->axis != other->axis) {
      return usage_error("output '" + name + "': the Softmax of the student is over axis " + std::to_string(own->axis) +
                             ", that of the teacher over axis " + std::to_string(other->axis),
                         "name a teacher that has its classes there");
    }
    const bool scores =
        (own || !holds_probabilities(student)) && (teacher == nullptr || other || !holds_probabilities(*teacher));
    if (scores && teacher != nullptr && own.has_value() != other.has_value()) {
      objective_.notes.push_back("output '" + (own ? name : partner) + "' of the " + (own ? "student" : "teacher") +
                                 " is taken before its Softmax: the other model has none");
    }
    Pair pair = describe(scores && own ? *own->value : student, scores && other ? other->value : teacher, name,
                         own     ? own->axis
                         : other ? other->axis
                                 : 0);
    pair.output = index;
    pair.scores = scores && own;
    pair.probabilities = !scores;
    objective_.pairs.push_back(std::move(pair));
    return {};
  }

  static Status check_types(const ir::Value& student, const ir::Value* teacher, const std::string& name,
                            const std::string& partner, const std::string& what) {
    if (!has_numbers(student)) {
      return usage_error(what + " '" + name + "' of the student is " + student.type().text() + ", not floats",
                         "name another one");
    }
    if (teacher == nullptr) return {};
    if (has_numbers(*teacher) && same_dims(student.type(), teacher->type())) return {};
    return usage_error(what + " '" + name + "' of the student is " + student.type().text() + ", '" + partner +
                           "' of the teacher is " + teacher->type().text(),
                       what == "output" ? "they must have the same dims; map outputs with --match student=teacher"
                                        : "features must have the same dims");
  }

  Status add_output_terms() {
    for (size_t p = 0; p < objective_.pairs.size(); ++p) {
      const Pair& pair = objective_.pairs[p];
      // What did better in repair, by measurement: docs/distill.md.
      if (losses_.empty()) objective_.terms.push_back({find_loss("mse"), p, 1});
      for (const Asked& asked : losses_) {
        if (asked.loss->needs_labels && p > 0) continue;
        if (asked.loss->needs_labels && pair.output != labelled_output()) {
          const std::string& first = student_.output_names()[static_cast<size_t>(labelled_output())];
          return usage_error("labels belong to the first output, '" + first + "', and --match leaves it out",
                             "match it, too, or leave " + std::string(asked.loss->name) + " out");
        }
        if (asked.loss->needs_classes && (pair.rank < 2 || pair.classes == 1 ||
                                          (asked.loss->needs_labels && (pair.rank != 2 || pair.classes < 2)))) {
          return usage_error("loss '" + std::string(asked.loss->name) + "' needs scores of classes, output '" +
                                 pair.name + "' holds none",
                             "use --loss mse");
        }
        if (asked.loss->needs_classes && pair.probabilities) {
          return usage_error("loss '" + std::string(asked.loss->name) + "' needs scores, output '" + pair.name +
                                 "' holds probabilities that no Softmax at its end makes",
                             "use --loss mse");
        }
        objective_.terms.push_back({asked.loss, p, asked.weight});
      }
    }
    return {};
  }

  Status add_features() {
    for (const std::string& text : options_.features) {
      auto names = split_pair(text, "feature");
      if (!names) return names.error();
      ir::Value* student = find_named(student_, names->student);
      ir::Value* teacher = find_named(teacher_, names->teacher);
      if (student == nullptr) return no_feature("student", names->student, student_);
      if (teacher == nullptr) return no_feature("teacher", names->teacher, teacher_);
      EDGESMITH_TRY(check_types(*student, teacher, names->student, names->teacher, "feature"));
      objective_.terms.push_back({find_loss("features"), objective_.pairs.size(), options_.feature_weight});
      objective_.pairs.push_back(describe(*student, teacher, names->student));
    }
    return {};
  }

  static Error no_feature(const char* whose, const std::string& name, const ir::Graph& graph) {
    const std::string near = nearest(name, value_names(graph));
    return usage_error("--feature: the " + std::string(whose) + " has no value '" + name + "'",
                       near.empty() ? "see inspect" : "did you mean '" + near + "'?");
  }

  const ir::Graph& student_;
  const ir::Graph& teacher_;
  const ObjectiveOptions& options_;
  std::vector<Asked> losses_;
  bool with_teacher_ = false;
  Objective objective_;
};

}  // namespace

const Pair* Objective::answer() const {
  const Pair& first = pairs.front();
  return first.rank == 2 && first.classes > 1 ? &first : nullptr;
}

std::string Objective::text() const {
  std::string text;
  for (const LossTerm& term : terms) {
    text += (text.empty() ? "" : ", ") + (term.weight == 1 ? "" : shortest(term.weight) + " ") +
            std::string(term.loss->name) + " of '" + pairs[term.pair].name + "'";
  }
  return text;
}

Result<Objective> make_objective(const ir::Graph& student, const ir::Graph& teacher, const ObjectiveOptions& options) {
  return Maker(student, teacher, options).make();
}

ir::Value* find_value(const ir::Graph& graph, int id) {
  for (ir::Node& node : graph.nodes()) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      if (node.output(i).id() == id) return &node.output(i);
    }
  }
  return nullptr;
}

ir::Value& student_value(const ir::Graph& clone, const Pair& pair) {
  if (pair.output < 0) return *find_value(clone, pair.student);
  ir::Value& output = *clone.output_node().input(pair.output);
  return pair.scores ? *scores_before(output)->value : output;
}

}  // namespace edgesmith::train
