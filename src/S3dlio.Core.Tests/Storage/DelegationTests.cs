using System.Reflection;
using System.Reflection.Emit;
using S3dlio.Storage;
using S3dlio.Storage.Multi;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>
/// Wrappers lose nothing: every member of the contract that can be overridden is forwarded by the delegating base, and reaches the wrapped
/// object through a prefix and through several endpoints. The wrapped object is made at run time from the contract, so that a new member is
/// asked for here without a line being added.
/// </summary>
public class DelegationTests
{
    static readonly StoreUri Root = StoreUri.Parse("memory://wrapped");

    public static TheoryData<Type, Type> Bases => new()
    {
        { typeof(ObjectStore), typeof(DelegatingStore) },
        { typeof(ObjectReader), typeof(DelegatingReader) },
        { typeof(ObjectWriter), typeof(DelegatingWriter) },
    };

    [Theory]
    [MemberData(nameof(Bases))]
    public void DelegatingBase_EachMember_IsOverridden(Type contract, Type delegating) =>
        Assert.Empty(Members(contract).Select(Name).Except(Overridden(delegating)));

    /// <remarks>What one endpoint says is not what all say, so nothing may be forwarded to one by the base.</remarks>
    [Fact]
    public void MultiStore_EachMember_IsOverriddenDeliberately() =>
        Assert.Empty(Members(typeof(ObjectStore)).Select(Name).Except(Overridden(typeof(MultiStore))));

    [Theory]
    [MemberData(nameof(Bases))]
    public async Task Forwarding_EachMember_ReachesTheWrapped(Type contract, Type delegating)
    {
        Assert.NotEmpty(Members(contract));
        foreach (var member in Members(contract).Where(member => member.Name != "get_Root"))
            Assert.Equal(Name(member), await ReachedAsync(member, Wrapper(delegating, Recorder(contract))));
        foreach (var member in Members(contract).Where(_ => contract != typeof(ObjectStore)))
            Assert.Equal(Name(member), await ReachedAsync(member, OfEndpoint(Recorder(contract))));
        Assert.Equal(Root, new PlainStore((ObjectStore)Recorder(typeof(ObjectStore))).Root);
    }

    /// <remarks>The members that a prefix answers by itself are told here.</remarks>
    [Fact]
    public async Task PrefixStore_EachMember_ReachesTheWrapped()
    {
        string[] own = ["get_Root", "IsSameAs(ObjectStore)"];
        foreach (var member in Members(typeof(ObjectStore)).Where(member => !own.Contains(Name(member))))
            Assert.Equal(Name(member),
                await ReachedAsync(member, new PrefixStore((ObjectStore)Recorder(typeof(ObjectStore)), "some/prefix")));
    }

    /// <remarks>What they answer by themselves is told here: near or brief it never is, and sameness is of the whole.</remarks>
    [Fact]
    public async Task MultiStore_EachMember_ReachesAnEndpoint()
    {
        string[] own = ["get_Root", "get_IsNear", "IsQuickAt(String)", "IsBrief(Int64, PutOptions)", "IsSameAs(ObjectStore)"];
        foreach (bool replicas in (bool[])[true, false])
        {
            foreach (var member in Members(typeof(ObjectStore)).Where(member => !own.Contains(Name(member))))
            {
                var store = new MultiStore(
                    Root, [((ObjectStore)Recorder(typeof(ObjectStore)), "one")], new MultiOptions { Replicas = replicas });
                // what is about one key looks first where that is
                string[] expected = replicas ? [Name(member)] : [Name(member), "HeadAsync(String, CancellationToken)"];
                Assert.Contains(await ReachedAsync(member, store), expected);
            }
        }
    }

    /// <summary>Calls the member and gives the name of the member of the wrapped object that it came to.</summary>
    static async Task<string> ReachedAsync(MethodInfo member, object wrapper)
    {
        try
        {
            object? result = member.Invoke(wrapper, [.. member.GetParameters().Select(Argument)]);
            switch (result)
            {
                case IAsyncEnumerable<ListPage> pages:
                    await pages.GetAsyncEnumerator().MoveNextAsync();
                    break;
                case ValueTask task:
                    await task;
                    break;
                case not null when result.GetType().IsGenericType && result.GetType().GetGenericTypeDefinition() == typeof(ValueTask<>):
                    await (Task)result.GetType().GetMethod("AsTask")!.Invoke(result, [])!;
                    break;
            }
            return "nothing";
        }
        catch (TargetInvocationException error) when (error.InnerException is ReachedException reached)
        {
            return reached.Message;
        }
        catch (ReachedException reached)
        {
            return reached.Message;
        }
    }

    static object? Argument(ParameterInfo parameter) => parameter.ParameterType switch
    {
        var type when type == typeof(string) => "key",
        var type when type == typeof(ObjectMeta) => new ObjectMeta { Key = "key", Size = 1, LastModified = DateTimeOffset.UnixEpoch },
        var type when type == typeof(UnfinishedUpload) => new UnfinishedUpload("key", "id", null),
        var type when type == typeof(Payload) => new Payload(new byte[1]),
        var type when type == typeof(IReadOnlyList<string>) => (string[])["key"],
        var type when type == typeof(IReadOnlyList<ReadRange>) => (ReadRange[])[new ReadRange(0, new byte[1])],
        var type when type == typeof(IReadOnlyList<ReadOnlyMemory<byte>>) => (ReadOnlyMemory<byte>[])[new byte[1]],
        var type when type == typeof(ObjectStore) => Recorder(typeof(ObjectStore)),
        var type when type.GetProperty("Default", BindingFlags.Public | BindingFlags.Static) is { } standard => standard.GetValue(null),
        var type => type.IsValueType ? Activator.CreateInstance(type) : null,
    };

    static MethodInfo[] Members(Type contract) =>
        [.. contract.GetMethods(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).Where(
                method => method.IsVirtual && !method.IsFinal && !method.IsFamily && method.DeclaringType == contract)];

    static string[] Overridden(Type type) =>
        [.. type.GetMethods(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly).Where(
                method => method.GetBaseDefinition() != method).Select(Name)];

    static string Name(MethodInfo method) => method.IsSpecialName
        ? method.Name
        : $"{method.Name}({string.Join(", ", method.GetParameters().Select(parameter => parameter.ParameterType.Name))})";

    static object Wrapper(Type delegating, object wrapped) => delegating switch
    {
        var type when type == typeof(DelegatingStore) => new PlainStore((ObjectStore)wrapped),
        var type when type == typeof(DelegatingReader) => new PlainReader((ObjectReader)wrapped),
        _ => new PlainWriter((ObjectWriter)wrapped),
    };

    static object OfEndpoint(object wrapped)
    {
        var endpoint = new Endpoint((ObjectStore)Recorder(typeof(ObjectStore)), "one", TimeSpan.Zero, TimeProvider.System);
        return wrapped is ObjectReader reader ? new MultiReader(endpoint, reader) : new MultiWriter(endpoint, (ObjectWriter)wrapped);
    }

    /// <summary>
    /// An object of the contract whose members throw their own names; the address alone is told, which constructors ask for.
    /// </summary>
    static object Recorder(Type contract)
    {
        var module = AssemblyBuilder.DefineDynamicAssembly(
            new AssemblyName("Recorders"), AssemblyBuilderAccess.RunAndCollect).DefineDynamicModule("m");
        var type = module.DefineType($"Recorder{contract.Name}", TypeAttributes.Public, contract);
        foreach (var member in Members(contract))
        {
            var body = type.DefineMethod(member.Name, MethodAttributes.Public | MethodAttributes.Virtual | MethodAttributes.HideBySig,
                member.ReturnType, [.. member.GetParameters().Select(parameter => parameter.ParameterType)]);
            var code = body.GetILGenerator();
            if (contract == typeof(ObjectStore) && member.Name == "get_Root")
            {
                code.Emit(OpCodes.Ldstr, Root.ToString());
                code.Emit(OpCodes.Call, typeof(StoreUri).GetMethod(nameof(StoreUri.Parse))!);
                code.Emit(OpCodes.Ret);
            }
            else
            {
                code.Emit(OpCodes.Ldstr, Name(member));
                code.Emit(OpCodes.Newobj, typeof(ReachedException).GetConstructor([typeof(string)])!);
                code.Emit(OpCodes.Throw);
            }
            type.DefineMethodOverride(body, member);
        }
        return Activator.CreateInstance(type.CreateType())!;
    }

    sealed class PlainStore(ObjectStore inner) : DelegatingStore
    {
        protected override ObjectStore Inner => inner;
    }

    sealed class PlainReader(ObjectReader inner) : DelegatingReader(inner);

    sealed class PlainWriter(ObjectWriter inner) : DelegatingWriter(inner);
}

/// <summary>Tells which member of a wrapped object was reached; no failure of a store, so that nothing tries again.</summary>
public sealed class ReachedException(string member) : Exception(member);
