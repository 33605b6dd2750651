using System.Runtime.InteropServices;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>Buckets and containers, and addresses that let others in for a while.</summary>
static unsafe partial class Exports
{
    [UnmanagedCallersOnly(EntryPoint = "s3dlio_container_create_begin")]
    public static int ContainerCreateBegin(byte* uri, byte* options, ulong* outOperation) =>
        Begin(outOperation, () => OnContainer(uri, options, ContainerJobs.Create));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_container_delete_begin")]
    public static int ContainerDeleteBegin(byte* uri, byte* options, ulong* outOperation) =>
        Begin(outOperation, () => OnContainer(uri, options, ContainerJobs.Delete));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_container_list_begin")]
    public static int ContainerListBegin(byte* uri, byte* options, ulong* outOperation) =>
        Begin(outOperation, () => OnContainer(uri, options, (service, _) => ContainerJobs.List(service)));

    static readonly string[] KnownPresign = ["method", "expires_in"];

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_object_presign_begin")]
    public static int ObjectPresignBegin(ulong store, byte* key, nuint keyLength, byte* options, ulong* outOperation) =>
        Begin(outOperation, () =>
    {
        var (from, name) = (Store(store), Key(key, keyLength));
        var how = PresignOptions.Default;
        foreach (var option in OptionReader.Read(Json(options), from.Root.Child(name)))
        {
            how = option.Name switch
            {
                "method" => how with { Method = option.AsText() },
                "expires_in" => how with { Expires = TimeSpan.FromSeconds(option.AsInteger(1, 7 * 24 * 3600)) },
                _ => throw option.Unknown(KnownPresign),
            };
        }
        return ContainerJobs.Presign(from, name, how);
    });

    static Job OnContainer(byte* uri, byte* options, Func<ContainerService, string, Job> job)
    {
        string address = Arguments.Address(uri, "uri");
        var parsed = StoreUri.Parse(address);
        return job(StoreFactory.OpenContainers(parsed, StoreOptions.Parse(Json(options), address)), parsed.Container);
    }
}
