using System.Reflection;
using Xunit;
using Xunit.Abstractions;
using Xunit.Sdk;

[assembly: TestFramework("S3dlio.Tests.SkippingFramework", "S3dlio.Core.Tests")]

namespace S3dlio.Tests;

/// <summary>
/// The class's tests, inherited ones included, run where S3DLIO_TEST_<c>name</c>_URI says where the server is; elsewhere they are counted
/// as skipped, with the reason that S3DLIO_TEST_<c>name</c>_SKIP gives.
/// </summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class NeedsServerAttribute(string name) : Attribute
{
    public string Name => name;

    public static string? Variable(string name, string what) =>
        Environment.GetEnvironmentVariable($"S3DLIO_TEST_{name}_{what}") is { Length: > 0 } value ? value : null;
}

/// <summary>
/// An inherited test that the class's server cannot pass, and why: it is counted as skipped with that reason. Of a theory the cases whose
/// arguments hold <c>Case</c> are meant.
/// </summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true)]
public sealed class ServerFaultAttribute(string test, string reason) : Attribute
{
    public string Test => test;

    public string Reason => reason;

    public string? Case { get; init; }
}

/// <summary>
/// xunit knows reasons to skip on methods only, and a conformance suite's methods are inherited. The reason is set right before the tests
/// run: a runner that chose some of them has made them anew, and what was said of them when they were found is lost.
/// </summary>
public sealed class SkippingFramework(IMessageSink messageSink) : XunitTestFramework(messageSink)
{
    protected override ITestFrameworkExecutor CreateExecutor(AssemblyName assemblyName) =>
        new Executor(assemblyName, SourceInformationProvider, DiagnosticMessageSink);

    sealed class Executor(AssemblyName assembly, ISourceInformationProvider sources, IMessageSink diagnostics)
        : XunitTestFrameworkExecutor(assembly, sources, diagnostics)
    {
        protected override void RunTestCases(
            IEnumerable<IXunitTestCase> testCases, IMessageSink executionMessageSink, ITestFrameworkExecutionOptions executionOptions) =>
            base.RunTestCases([.. testCases.Select(Skipped)], executionMessageSink, executionOptions);

        static IXunitTestCase Skipped(IXunitTestCase found)
        {
            string? name = found.TestMethod.TestClass.Class.GetCustomAttributes(
                typeof(NeedsServerAttribute)).FirstOrDefault()?.GetConstructorArguments().First() as string;
            if (name is null || found is not XunitTestCase test)
                return found;
            string? missing = NeedsServerAttribute.Variable(name, "URI") is null ? NeedsServerAttribute.Variable(name, "SKIP")
                ?? $"S3DLIO_TEST_{name}_URI is not set" : Fault(test);
            if (missing is null)
                return found;
            // read once, so that the attribute's own value does not come later and replace this one
            string reason = found.SkipReason ?? missing;
            typeof(XunitTestCase).GetProperty(nameof(XunitTestCase.SkipReason))!.SetValue(test, reason);
            return test;
        }

        static string? Fault(XunitTestCase test) => test.TestMethod.TestClass.Class.GetCustomAttributes(typeof(ServerFaultAttribute))
            .Where(fault => fault.GetConstructorArguments().First() as string == test.TestMethod.Method.Name
                && (fault.GetNamedArgument<string?>(nameof(ServerFaultAttribute.Case)) is not { } part
                        || test.DisplayName.Contains(part, StringComparison.Ordinal)))
            .Select(fault => fault.GetConstructorArguments().Last() as string).FirstOrDefault();
    }
}
