using Xunit;
using Xunit.Abstractions;
using Xunit.Sdk;

namespace S3dlio.Tests.Storage;

/// <summary>The class needs what this environment variable tells; without it its tests are skipped, and say why.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class NeedsVariableAttribute(string name) : Attribute
{
    public string Name => name;
}

/// <summary>A fact that heeds <see cref="NeedsVariableAttribute"/> of the class that inherits it.</summary>
[AttributeUsage(AttributeTargets.Method)]
[XunitTestCaseDiscoverer("S3dlio.Tests.Storage.StoreFactDiscoverer", "S3dlio.Core.Tests")]
public sealed class StoreFactAttribute : FactAttribute;

/// <summary>The same for theories.</summary>
[AttributeUsage(AttributeTargets.Method)]
[XunitTestCaseDiscoverer("S3dlio.Tests.Storage.StoreTheoryDiscoverer", "S3dlio.Core.Tests")]
public sealed class StoreTheoryAttribute : TheoryAttribute;

public sealed class StoreFactDiscoverer(IMessageSink messages) : FactDiscoverer(messages)
{
    public override IEnumerable<IXunitTestCase> Discover(ITestFrameworkDiscoveryOptions discoveryOptions, ITestMethod testMethod, IAttributeInfo factAttribute) =>
        Needs.Missing(testMethod) is { } reason ? [Needs.Skipped(DiagnosticMessageSink, discoveryOptions, testMethod, reason)] : base.Discover(discoveryOptions, testMethod, factAttribute);
}

public sealed class StoreTheoryDiscoverer(IMessageSink messages) : TheoryDiscoverer(messages)
{
    public override IEnumerable<IXunitTestCase> Discover(ITestFrameworkDiscoveryOptions discoveryOptions, ITestMethod testMethod, IAttributeInfo theoryAttribute) =>
        Needs.Missing(testMethod) is { } reason ? [Needs.Skipped(DiagnosticMessageSink, discoveryOptions, testMethod, reason)] : base.Discover(discoveryOptions, testMethod, theoryAttribute);
}

static class Needs
{
    public static string? Missing(ITestMethod method)
    {
        foreach (var need in method.TestClass.Class.GetCustomAttributes(typeof(NeedsVariableAttribute).AssemblyQualifiedName))
        {
            string name = (string)need.GetConstructorArguments().Single();
            if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable(name)))
                return $"{name} is not set";
        }
        return null;
    }

    public static XunitSkippedDataRowTestCase Skipped(IMessageSink messages, ITestFrameworkDiscoveryOptions options, ITestMethod method, string reason) =>
        new(messages, options.MethodDisplayOrDefault(), options.MethodDisplayOptionsOrDefault(), method, reason);
}
