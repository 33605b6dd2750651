using System.Reflection;
using Xunit;
using Xunit.Abstractions;
using Xunit.Sdk;

[assembly: TestFramework("S3dlio.Tests.SkippingFramework", "S3dlio.Core.Tests")]

namespace S3dlio.Tests;

/// <summary>
/// The class's tests, inherited ones included, run where S3DLIO_TEST_<c>name</c>_URI says where the server is; elsewhere they are counted as
/// skipped, with the reason that S3DLIO_TEST_<c>name</c>_SKIP gives.
/// </summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class NeedsServerAttribute(string name) : Attribute
{
    public string Name => name;

    public static string? Variable(string name, string what) =>
        Environment.GetEnvironmentVariable($"S3DLIO_TEST_{name}_{what}") is { Length: > 0 } value ? value : null;
}

/// <summary>
/// xunit knows reasons to skip on methods only, and a conformance suite's methods are inherited. The reason is set right before the tests
/// run: a runner that chose some of them has made them anew, and what was said of them when they were found is lost.
/// </summary>
public sealed class SkippingFramework(IMessageSink messageSink) : XunitTestFramework(messageSink)
{
    protected override ITestFrameworkExecutor CreateExecutor(AssemblyName assemblyName) =>
        new Executor(assemblyName, SourceInformationProvider, DiagnosticMessageSink);

    sealed class Executor(AssemblyName assembly, ISourceInformationProvider sources, IMessageSink diagnostics) : XunitTestFrameworkExecutor(assembly, sources, diagnostics)
    {
        protected override void RunTestCases(IEnumerable<IXunitTestCase> testCases, IMessageSink executionMessageSink, ITestFrameworkExecutionOptions executionOptions) =>
            base.RunTestCases([.. testCases.Select(Skipped)], executionMessageSink, executionOptions);

        static IXunitTestCase Skipped(IXunitTestCase found)
        {
            string? name = found.TestMethod.TestClass.Class.GetCustomAttributes(typeof(NeedsServerAttribute)).FirstOrDefault()?.GetConstructorArguments().First() as string;
            if (name is null || NeedsServerAttribute.Variable(name, "URI") is not null || found is not XunitTestCase test)
                return found;
            // read once, so that the attribute's own value does not come later and replace this one
            string reason = found.SkipReason ?? NeedsServerAttribute.Variable(name, "SKIP") ?? $"S3DLIO_TEST_{name}_URI is not set";
            typeof(XunitTestCase).GetProperty(nameof(XunitTestCase.SkipReason))!.SetValue(test, reason);
            return test;
        }
    }
}
