// SPDX-License-Identifier: Apache-2.0
// Speed of training a classifier on one thread: forward, backward and a step of SGD with Nesterov momentum, random
// data.
//
//   cmake --build --preset release --target train_bench
//   build/release/tests/runtime/bench/train_bench MODEL.onnx [--batch N] [--shard N] [--steps N] [--exact] [--per-node]
//   build/release/tests/runtime/bench/train_bench MODEL.onnx --serve
//
// The weights become inputs, the loss is the cross-entropy, and the whole is one graph that runs on shards of a batch,
// whose gradients are added in order. --exact forbids kernels that reassociate sums. --per-node shows where the time
// goes. --serve reads numbers of steps, one a line, and answers each with the CPU seconds that they took:
// tests/oracle/train_speed.py runs it so in turns with PyTorch.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "edgesmith/base/random.h"
#include "edgesmith/ir/verifier.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/pass.h"
#include "edgesmith/runtime/executor.h"
#include "edgesmith/train/differentiate.h"

namespace edgesmith {
namespace {

using ir::OpKind;

/// Of the process, which has one thread: what else the machine does counts less than by the clock on the wall.
double cpu_seconds() {
  timespec now = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

struct Arguments {
  std::string model;
  int64_t batch = 128, shard = 32, steps = 0;
  bool exact = false, per_node = false, serve = false;
};

[[noreturn]] void fail(const std::string& text) {
  std::fprintf(stderr, "%s\n", text.c_str());
  std::exit(1);
}

template <typename T>
T need(Result<T> result) {
  if (!result) fail(result.error().text());
  return std::move(*result);
}
void need(const Status& status) {
  if (!status) fail(status.error().text());
}

Arguments parse(int argc, char** argv) {
  Arguments out;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto number = [&] { return ++i < argc ? std::atoll(argv[i]) : 0; };
    if (word == "--batch")
      out.batch = number();
    else if (word == "--shard")
      out.shard = number();
    else if (word == "--steps")
      out.steps = number();
    else if (word == "--exact")
      out.exact = true;
    else if (word == "--per-node")
      out.per_node = true;
    else if (word == "--serve")
      out.serve = true;
    else
      out.model = word;
  }
  if (out.model.empty() || out.batch <= 0 || out.shard <= 0 || out.batch % out.shard != 0) {
    fail("usage: train_bench MODEL.onnx [--batch N] [--shard N] [--steps N] [--exact] [--per-node] [--serve]");
  }
  return out;
}

/// Floats that layers compute with.
bool is_parameter(const ir::Node& node) {
  if (!node.is(OpKind::constant) || node.tensor().dtype() != ir::DType::f32 || node.tensor().rank() == 0) return false;
  return std::ranges::any_of(node.output().uses(), [](const ir::Use& use) {
    const ir::Node& reader = *use.node;
    return reader.is(OpKind::conv) || reader.is(OpKind::gemm) || reader.is(OpKind::mat_mul) || reader.is(OpKind::add);
  });
}

/// The training graph: the inputs of the model, labels (one row of 0 and 1 a sample), then the parameters; the loss
/// and the gradients are the last results.
struct Training {
  ir::Graph graph;
  std::vector<std::vector<float>> weights, moments, gradients;  // by parameter
  std::vector<ir::Dims> dims;
};

Training make_training(const std::string& path, int64_t batch) {
  Training t;
  t.graph = need(onnx::import_file(path));
  ir::Graph& graph = t.graph;
  std::vector<ir::Node*> constants;
  for (ir::Node& node : graph.nodes()) {
    if (is_parameter(node)) constants.push_back(&node);
  }
  ir::Value* scores = graph.output_node().input(0);
  if (scores->node().is(OpKind::softmax)) scores = scores->node().input(0);
  ir::Value& labels = graph.add_input("labels", scores->type());
  std::vector<ir::Value*> parameters;
  for (ir::Node* node : constants) {
    ir::Value& input = graph.add_input("parameter" + std::to_string(parameters.size()), node->output().type());
    const auto values = node->tensor().to_floats();
    t.weights.push_back(values);
    t.moments.emplace_back(values.size(), 0.0F);
    t.gradients.emplace_back(values.size(), 0.0F);
    t.dims.push_back(node->tensor().dims());
    graph.replace_all_uses(node->output(), input);
    parameters.push_back(&input);
  }
  ir::Value& log = graph.append(OpKind::log_softmax, {scores}).output();
  log.node().attributes().set("axis", int64_t{1});
  ir::Value& hits = graph.append(OpKind::mul, {&log, &labels}).output();
  ir::Value& sum = graph.append(OpKind::reduce_sum, {&hits}).output();
  sum.node().attributes().set("keepdims", int64_t{0});
  ir::Value& scale = graph.add_constant(ir::Tensor::of<float>({}, {-1.0F / static_cast<float>(batch)}));
  ir::Value& loss = graph.append(OpKind::mul, {&sum, &scale}).output();
  const auto gradients = need(train::differentiate(graph, loss, parameters));
  graph.add_output("loss", loss);
  for (size_t i = 0; i < gradients.size(); ++i) graph.add_output("d" + std::to_string(i), *gradients[i]);
  need(ir::verify(graph));
  passes::PassContext context;
  const passes::PassInfo* simplify = passes::find_pass("simplify");
  need(passes::run_pass(*simplify, graph, passes::Options(simplify->options()), context));
  return t;
}

ir::Tensor view(const std::vector<float>& numbers, const ir::Dims& dims) {
  return ir::Tensor(ir::DType::f32, dims, std::as_bytes(std::span(numbers)), nullptr);
}

/// One epoch's worth of nothing but steps on the same random batch.
class Trainer {
 public:
  explicit Trainer(const Arguments& arguments)
      : arguments_(arguments), t_(make_training(arguments.model, arguments.batch)) {
    executor_ = need(runtime::Executor::create(t_.graph, {.reassociate = !arguments.exact}));
    session_ = executor_->make_session();
    Random random(1);
    const auto inputs = t_.graph.inputs();
    const size_t given = inputs.size() - t_.weights.size();  // with the labels
    for (int64_t s = 0; s < arguments.batch / arguments.shard; ++s) {
      std::vector<ir::Tensor> shard;
      for (size_t i = 0; i < given; ++i) {
        ir::Dims dims;
        for (const ir::Dim& dim : *inputs[i]->type().shape) dims.push_back(dim.known() ? dim.value() : arguments.shard);
        dims[0] = arguments.shard;
        ir::Tensor made = ir::Tensor::zeros(ir::DType::f32, dims);
        const auto data = made.mutable_data<float>();
        if (i + 1 < given) {
          for (float& x : data) x = static_cast<float>(random.normal());
        } else {
          for (int64_t n = 0; n < dims[0]; ++n) {
            data[static_cast<size_t>(n * dims[1] +
                                     static_cast<int64_t>(random.uniform() * static_cast<double>(dims[1])))] = 1;
          }
        }
        shard.push_back(std::move(made));
      }
      for (size_t p = 0; p < t_.weights.size(); ++p) shard.push_back(view(t_.weights[p], t_.dims[p]));
      shards_.push_back(std::move(shard));
    }
  }

  void step(const runtime::StepTimer* timer = nullptr) {
    const auto first = static_cast<size_t>(t_.graph.num_outputs()) - t_.weights.size();
    loss_ = 0;
    for (size_t s = 0; s < shards_.size(); ++s) {
      need(session_->run_into(shards_[s], results_, nullptr, timer));
      loss_ += results_[first - 1].data<float>()[0];
      for (size_t p = 0; p < t_.weights.size(); ++p) {
        const float* __restrict from = results_[first + p].data<float>().data();
        float* __restrict to = t_.gradients[p].data();
        const size_t count = t_.gradients[p].size();
        if (s == 0) {
          std::copy_n(from, count, to);
        } else {
          for (size_t i = 0; i < count; ++i) to[i] += from[i];
        }
      }
    }
    for (size_t p = 0; p < t_.weights.size(); ++p) {
      float* __restrict w = t_.weights[p].data();
      float* __restrict v = t_.moments[p].data();
      const float* __restrict g = t_.gradients[p].data();
      for (size_t i = 0; i < t_.weights[p].size(); ++i) {
        v[i] = 0.9F * v[i] + g[i];
        w[i] -= 1e-4F * (g[i] + 0.9F * v[i]);
      }
    }
  }

  double seconds(int64_t steps) {
    const double start = cpu_seconds();
    for (int64_t i = 0; i < steps; ++i) step();
    return cpu_seconds() - start;
  }

  /// Where the time goes: the fastest run of every node among `steps` steps, by the clock on the wall.
  void show_nodes(int64_t steps) {
    struct Row {
      std::string text, kind;
      int64_t nanoseconds = 0;
    };
    std::map<int, Row> rows;
    const runtime::StepTimer timer = [&](const ir::Node& node, const std::string& kernel, int64_t nanoseconds) {
      Row& row = rows[node.id()];
      if (row.text.empty()) {
        row.kind = std::string(ir::op_name(node.op())) + " " + kernel;
        row.text = row.kind + " -> " + node.output().type().text();
        for (int i = 0; i < node.num_inputs(); ++i) {
          if (node.input(i) != nullptr) row.text.append(" ").append(node.input(i)->type().text());
        }
        row.nanoseconds = nanoseconds;
      }
      row.nanoseconds = std::min(row.nanoseconds, nanoseconds);
    };
    for (int64_t i = 0; i < steps; ++i) step(&timer);
    std::map<std::string, int64_t> kinds;
    std::vector<std::pair<std::string, int64_t>> nodes;
    int64_t total = 0;
    for (const auto& [id, row] : rows) {
      nodes.emplace_back(row.text, row.nanoseconds);
      kinds[row.kind] += row.nanoseconds;
      total += row.nanoseconds;
    }
    const auto show = [&](std::vector<std::pair<std::string, int64_t>> lines) {
      std::ranges::stable_sort(lines, [](const auto& x, const auto& y) { return x.second > y.second; });
      for (const auto& [text, nanoseconds] : lines) {
        std::printf("%9.2f us an image %5.1f %%  %s\n",
                    static_cast<double>(nanoseconds) / 1e3 / static_cast<double>(arguments_.shard),
                    100.0 * static_cast<double>(nanoseconds) / static_cast<double>(total), text.c_str());
      }
    };
    show(nodes);
    std::printf("\nby operator and kernel\n");
    show({kinds.begin(), kinds.end()});
    show({{"all nodes", total}});
  }

  void show_memory() const {
    long peak = 0;  // KiB; getrusage would say what a parent had before this program began
    if (FILE* status = std::fopen("/proc/self/status", "r")) {
      char line[256];
      while (std::fgets(line, sizeof line, status) != nullptr) {
        if (std::strncmp(line, "VmHWM:", 6) == 0) peak = std::strtol(line + 6, nullptr, 10);
      }
      std::fclose(status);
    }
    std::printf("arena %.1f MiB, peak memory %.1f MiB, loss %.4f\n",
                static_cast<double>(session_->arena_bytes()) / 1048576, static_cast<double>(peak) / 1024,
                static_cast<double>(loss_));
  }

 private:
  const Arguments& arguments_;
  Training t_;
  std::unique_ptr<runtime::Executor> executor_;
  std::unique_ptr<runtime::Executor::Session> session_;
  std::vector<std::vector<ir::Tensor>> shards_;
  std::vector<ir::Tensor> results_;
  float loss_ = 0;
};

int run(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  Trainer trainer(arguments);
  trainer.step();
  if (arguments.serve) {
    long long steps = 0;
    trainer.show_memory();
    std::fflush(stdout);
    while (std::scanf("%lld", &steps) == 1) {
      std::printf("%.9f\n", trainer.seconds(steps));
      std::fflush(stdout);
    }
    return 0;
  }
  // About a second, unless it is said.
  int64_t steps = arguments.steps;
  if (steps <= 0) steps = std::max<int64_t>(1, static_cast<int64_t>(1.0 / trainer.seconds(1)));
  if (arguments.per_node) {
    trainer.show_nodes(steps);
  } else {
    std::vector<double> rates;
    for (int i = 0; i < 5; ++i) {
      rates.push_back(static_cast<double>(steps * arguments.batch) / trainer.seconds(steps));
    }
    std::ranges::sort(rates);
    std::printf("%.1f images/s (%.1f to %.1f)\n", rates[2], rates.front(), rates.back());
  }
  trainer.show_memory();
  return 0;
}

}  // namespace
}  // namespace edgesmith

int main(int argc, char** argv) { return edgesmith::run(argc, argv); }
