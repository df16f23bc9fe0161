import type { TokenCredential } from '@azure/identity'

/**
 * The Azure identity of this process; a client id, by default AZURE_CLIENT_ID, names a user-assigned one. It
 * caches its tokens. @azure/identity is large, so it is loaded only here.
 */
export async function azureCredential(
  managedIdentityClientId = process.env.AZURE_CLIENT_ID,
): Promise<TokenCredential> {
  const { DefaultAzureCredential } = await import('@azure/identity')
  return new DefaultAzureCredential(
    managedIdentityClientId === undefined ? {} : { managedIdentityClientId },
  )
}
