module.exports = {
  projectName: 'taro-shop', designWidth: 750, deviceRatio: { 640: 1.17, 750: 1, 828: 0.905 },
  sourceRoot: 'src', outputRoot: `dist/${process.env.TARO_ENV}`, plugins: ['@tarojs/plugin-framework-react', '@tarojs/plugin-platform-weapp', '@tarojs/plugin-platform-h5'],
  defineConstants: { BACKEND: JSON.stringify(process.env.TARO_BACKEND), ISSUER: JSON.stringify(process.env.TARO_ISSUER) },
  framework: 'react', compiler: { type: 'webpack5', prebundle: { enable: false } }, cache: { enable: false },
  mini: {}, h5: { publicPath: '/', router: { mode: 'hash' } },
}
