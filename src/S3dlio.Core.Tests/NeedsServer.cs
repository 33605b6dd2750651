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

/// <summary>xunit knows reasons to skip on methods only, and a conformance suite's methods are inherited.</summary>
public sealed class SkippingFramework(IMessageSink messageSink) : XunitTestFramework(messageSink)
{
    protected override ITestFrameworkDiscoverer CreateDiscoverer(IAssemblyInfo assemblyInfo) =>
        new Discoverer(assemblyInfo, SourceInformationProvider, DiagnosticMessageSink);

    sealed class Discoverer(IAssemblyInfo assembly, ISourceInformationProvider sources, IMessageSink diagnostics) : XunitTestFrameworkDiscoverer(assembly, sources, diagnostics)
    {
        protected override bool FindTestsForType(
            ITestClass testClass, bool includeSourceInformation, IMessageBus messageBus, ITestFrameworkDiscoveryOptions discoveryOptions)
        {
            string? name = testClass.Class.GetCustomAttributes(typeof(NeedsServerAttribute)).FirstOrDefault()?.GetConstructorArguments().First() as string;
            if (name is null || NeedsServerAttribute.Variable(name, "URI") is not null)
                return base.FindTestsForType(testClass, includeSourceInformation, messageBus, discoveryOptions);
            using var bus = new SkippingBus(messageBus, NeedsServerAttribute.Variable(name, "SKIP") ?? $"S3DLIO_TEST_{name}_URI is not set");
            return base.FindTestsForType(testClass, includeSourceInformation, bus, discoveryOptions);
        }
    }

    sealed class SkippingBus(IMessageBus inner, string reason) : IMessageBus
    {
        public bool QueueMessage(IMessageSinkMessage message)
        {
            if (message is ITestCaseDiscoveryMessage { TestCase: XunitTestCase found })
            {
                // read once, so that the attribute's own value does not come later and replace this one
                _ = found.SkipReason;
                typeof(XunitTestCase).GetProperty(nameof(XunitTestCase.SkipReason))!.SetValue(found, found.SkipReason ?? reason);
            }
            return inner.QueueMessage(message);
        }

        public void Dispose()
        {
            // the inner bus is not ours
        }
    }
}
