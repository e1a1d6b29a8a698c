#include "harness/run/progress.h"

#include <unistd.h>

#include <cstdio>

#include "engine/base/clock.h"

namespace lsmlab::harness {
namespace {

std::string Span(double seconds) {
  char text[32];
  const auto whole = static_cast<long>(seconds + 0.5);
  if (whole < 60) {
    std::snprintf(text, sizeof text, "%ld s", whole);
  } else {
    std::snprintf(text, sizeof text, "%ld min %02ld s", whole / 60, whole % 60);
  }
  return text;
}

}  // namespace

std::string ShortCount(double count) {
  char text[32];
  if (count >= 1e6) {
    std::snprintf(text, sizeof text, "%.2fM", count / 1e6);
  } else if (count >= 1e4) {
    std::snprintf(text, sizeof text, "%.0fk", count / 1e3);
  } else {
    std::snprintf(text, sizeof text, "%.0f", count);
  }
  return text;
}

ProgressLine::ProgressLine(size_t runs)
    : runs_(runs), terminal_(isatty(STDERR_FILENO) != 0), start_ns_(NowNanos()) {}

ProgressLine::~ProgressLine() {
  if (terminal_) std::fputs("\r\033[K", stderr);
}

void ProgressLine::StartRun(const RunIdentity& identity) {
  label_ = RunLabel(identity);
  run_start_ns_ = NowNanos();
  if (terminal_) Show(label_);
}

// From the mean of the runs that are done.
std::string ProgressLine::TimeLeft() const {
  if (done_ == 0) return {};
  const double mean =
      static_cast<double>(run_start_ns_ - start_ns_) * 1e-9 / static_cast<double>(done_);
  const double here = static_cast<double>(NowNanos() - run_start_ns_) * 1e-9;
  const double left = mean * static_cast<double>(runs_ - done_) - here;
  return ", " + Span(left > 0 ? left : 0) + " left";
}

void ProgressLine::Show(const std::string& text) {
  std::fprintf(stderr, "\r\033[K[%zu/%zu] %s", done_ + 1, runs_, text.c_str());
  std::fflush(stderr);
}

void ProgressLine::Update(const std::string& phase, const PhaseProgress& progress) {
  if (!terminal_) return;
  std::string text = label_ + " " + phase;
  if (progress.total_ops > 0) {
    text += " " + std::to_string(progress.ops * 100 / progress.total_ops) + " %";
  }
  if (progress.elapsed_s > 0) {
    text += ", " + ShortCount(static_cast<double>(progress.ops) / progress.elapsed_s) + " ops/s";
  }
  Show(text + TimeLeft());
}

void ProgressLine::FinishRun(const std::string& outcome) {
  ++done_;
  const double took = static_cast<double>(NowNanos() - run_start_ns_) * 1e-9;
  if (terminal_) std::fputs("\r\033[K", stderr);
  if (!terminal_ || outcome != "ok") {
    std::fprintf(stderr, "[%zu/%zu] %s: %s, %.1f s\n", done_, runs_, label_.c_str(),
                 outcome.c_str(), took);
  }
}

}  // namespace lsmlab::harness
